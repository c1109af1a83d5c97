import { join } from 'node:path'
import { toGateResult } from '@ficus/contracts/verdict/gate-result'
import { storeVerdict } from '@ficus/contracts/verdict/store-verdict'
import type { ContractVerdict } from '@ficus/contracts/verdict/verdict'
import { type ContractsConfig, capabilitySlice, verifyContracts } from '@ficus/contracts/verify-contracts'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Route } from '@ficus/core/config/route'
import type { Capability } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Versions } from '@ficus/core/ledger/records'
import type { Finding } from '../gate/gate.ts'

// Everything that control asks of contracts goes through this file.

export type { ContractVerdict }

/** Verdicts are kept here beside the ledger's summary of them. Relative to the config file. */
const VERDICTS = '.ficus/verdicts'

export interface VerifyOptions {
  /** What runs now. */
  readonly versions: Versions
  readonly signal: AbortSignal
  /** Counts interactions on either side. */
  onProgress?(done: number, total: number): void
}

/** A verdict, and what the gate makes of it. */
export interface Verification {
  readonly verdict: ContractVerdict
  readonly finding: Finding
}

/**
 * Verifies the capability's slice of the pacts against the monolith and against the service. The finding counts for the
 * versions that the verified providers gave, which need not be what runs now.
 * @throws FICUS_PACT_MISSING, FICUS_CONFIG_INVALID, FICUS_SERVICE_UNREACHABLE, FICUS_PORT_TAKEN.
 */
export async function verifyBothSides(
  loaded: LoadedConfig,
  capability: string,
  config: Capability & { readonly contracts: ContractsConfig },
  { versions, signal, onProgress }: VerifyOptions,
): Promise<Verification> {
  let done = 0
  let total = 0
  const verdict = await verifyContracts({
    capability,
    routes: config.routes,
    otherRoutes: otherRoutes(loaded, capability),
    contracts: config.contracts,
    health: { monolith: loaded.migration.monolith.health, service: config.service.health },
    directory: loaded.directory,
    signal,
    onProgress: progress => {
      if (progress.step === 'sliced') total = 2 * progress.interactions
      if (progress.step === 'verified') done += progress.interactions
      onProgress?.(done, total)
    },
  })
  const file = await storeVerdict(join(loaded.directory, VERDICTS), verdict)
  const { summary, evidence } = toGateResult(verdict)
  const { pacts, monolith, service } = verdict.versions
  return {
    verdict,
    finding: {
      verdict: verdict.verdict,
      summary,
      evidence: { ...evidence, file },
      versions: { ...versions, monolith: monolith ?? 'unnamed', service: service ?? 'unnamed', pacts },
    },
  }
}

/** What tells one set of the capability's pacts from another; `none` while there is no pact. */
export async function pactsVersion(
  loaded: LoadedConfig,
  capability: string,
  config: Capability & { readonly contracts: ContractsConfig },
): Promise<string> {
  try {
    const { routes, contracts } = config
    const { directory } = loaded
    const slice = await capabilitySlice({ routes, otherRoutes: otherRoutes(loaded, capability), contracts, directory })
    return slice.version
  } catch (error) {
    if (error instanceof FicusError && error.code === 'FICUS_PACT_MISSING') return 'none'
    throw error
  }
}

/** Whether the config says what to verify. */
export function hasContracts(config: Capability): config is Capability & { readonly contracts: ContractsConfig } {
  return config.contracts !== undefined
}

function otherRoutes(loaded: LoadedConfig, capability: string): readonly Route[] {
  return Object.entries(loaded.migration.capabilities)
    .filter(([name]) => name !== capability)
    .flatMap(([, { routes }]) => routes)
}
