import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Route } from '@ficus/core/config/route'
import type { Capability, ContractProvider } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Side } from '@ficus/core/phases/phase'
import { readPacts } from './pact/read-pacts.ts'
import { versionOf } from './provider/health.ts'
import { withProvider } from './provider/with-provider.ts'
import { type Slice, slicePacts } from './slice/slice-pacts.ts'
import { type ContractVerdict, judge } from './verdict/verdict.ts'
import type { Outcome } from './verification/outcome.ts'
import { verifySlice, writeSlice } from './verification/verify-slice.ts'

/** A capability's part of the config: `contracts`. */
export type ContractsConfig = NonNullable<Capability['contracts']>

/** What is being done, for a person who waits. */
export type ContractProgress =
  | { readonly step: 'sliced'; readonly interactions: number; readonly unproven: readonly string[] }
  | { readonly step: 'starting' | 'verifying'; readonly side: Side }
  | { readonly step: 'verified'; readonly side: Side; readonly passed: number; readonly interactions: number }

/** What `verifyContracts` verifies. */
export interface ContractsToVerify {
  readonly capability: string
  readonly routes: readonly Route[]
  /** Routes of the other capabilities: an interaction goes with the most specific one. */
  readonly otherRoutes?: readonly Route[]
  readonly contracts: ContractsConfig
  /** Paths that answer with each side's version; `/health` unless given. */
  readonly health?: Readonly<Record<Side, string>>
  /** The config file's folder. */
  readonly directory: string
  readonly signal: AbortSignal
  readonly onProgress?: (progress: ContractProgress) => void
  /** Gets what started providers write. */
  readonly output?: (side: Side, text: string) => void
  readonly now?: () => Date
}

/**
 * Verifies the consumers' pacts of a capability's routes against the monolith, then the same slice with the same
 * provider states against the service. Nothing is started where no interaction takes one of the routes.
 *
 * @throws FICUS_PACT_MISSING when there is no pact file, or one of them is not a pact.
 * @throws FICUS_CONFIG_INVALID when both sides are the same running process.
 * @throws FICUS_SERVICE_UNREACHABLE, FICUS_PORT_TAKEN when a provider does not answer, start or go on running.
 * @throws the signal's reason; what was started is stopped then too.
 */
export async function verifyContracts(options: ContractsToVerify): Promise<ContractVerdict> {
  const { capability, routes, contracts, directory, signal, onProgress = () => {}, now = () => new Date() } = options
  refuseSameProvider(capability, contracts)
  const slice = await capabilitySlice(options)
  onProgress({ step: 'sliced', interactions: slice.interactions.length, unproven: slice.unproven })
  if (slice.interactions.length === 0) {
    const versions = { pacts: slice.version, monolith: null, service: null }
    return judge({ capability, routes, slice, versions, monolith: new Map(), service: new Map(), measuredAt: now() })
  }
  const folder = await mkdtemp(join(tmpdir(), 'ficus-pacts-'))
  try {
    const files = await writeSlice(slice, folder)
    const verify = async (side: Side, provider: ContractProvider): Promise<Verified> => {
      const name = `the ${side} of ${capability}`
      onProgress({ step: 'starting', side })
      const output = (text: string) => options.output?.(side, text)
      return withProvider(provider, { name, directory, signal, output }, async () => {
        const version = await versionOf(provider.url + (options.health?.[side] ?? '/health'), name, signal)
        onProgress({ step: 'verifying', side })
        const states = provider.url + provider.states
        const outcomes = await verifySlice(slice, files, { name, url: provider.url, states }, signal)
        const passed = [...outcomes.values()].filter(outcome => outcome.passed).length
        onProgress({ step: 'verified', side, passed, interactions: slice.interactions.length })
        return { version, outcomes }
      })
    }
    const monolith = await verify('monolith', contracts.monolith)
    const service = await verify('service', contracts.service)
    return judge({
      capability,
      routes,
      slice,
      versions: { pacts: slice.version, monolith: monolith.version, service: service.version },
      monolith: monolith.outcomes,
      service: service.outcomes,
      measuredAt: now(),
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Verified {
  readonly version: string | null
  readonly outcomes: ReadonlyMap<string, Outcome>
}

/**
 * The slice of the pacts that are on disk now; its `version` tells whether a verdict is still about them.
 * @throws FICUS_PACT_MISSING when there is no pact file, or one of them is not a pact.
 */
export async function capabilitySlice({
  routes,
  otherRoutes = [],
  contracts,
  directory,
}: Pick<ContractsToVerify, 'routes' | 'otherRoutes' | 'contracts' | 'directory'>): Promise<Slice> {
  return slicePacts(await readPacts(resolve(directory, contracts.pacts)), routes, otherRoutes)
}

/** Two providers that are started may share an address, one after the other; two that run may not. */
function refuseSameProvider(capability: string, { monolith, service }: ContractsConfig): void {
  if (monolith.url !== service.url || service.start !== undefined) return
  throw new FicusError(
    'FICUS_CONFIG_INVALID',
    `capabilities.${capability}.contracts: monolith and service are both ${service.url}, so nothing would be compared`,
    { remedy: 'Give contracts.service.url the service’s own address.' },
  )
}
