import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { VerifierOptions } from '@pact-foundation/pact-core'
import type { PactSlice, Slice } from '../slice/slice-pacts.ts'
import type { Outcome } from './outcome.ts'
import { outcomeOf, parseReport } from './report.ts'
import { startStateRelay } from './state-relay.ts'

/** A running provider. */
export interface Provider {
  /** Names it in messages: `the monolith`. */
  readonly name: string
  readonly url: string
  /** The whole address that takes its provider states. */
  readonly states: string
}

const REQUEST_TIMEOUT = 15_000
const VERIFIER = fileURLToPath(new URL('./verifier-main.ts', import.meta.url))

/**
 * Writes a slice as pact files that hold nothing else. Each interaction gets its id as `_id`, the field in which a
 * broker puts its own, and which the verifier's report hands back.
 * @returns the files' paths.
 */
export function writeSlice(slice: Slice, folder: string): Promise<string[]> {
  return Promise.all(
    slice.pacts.map(async (pact, index) => {
      const file = join(folder, `${index}.json`)
      await writeFile(file, JSON.stringify(pactFile(pact)))
      return file
    }),
  )
}

function pactFile({ consumer, provider, specification, interactions }: PactSlice) {
  return {
    consumer: { name: consumer },
    provider: { name: provider },
    interactions: interactions.map(({ id, source }) => ({ ...source, _id: id })),
    metadata: { pactSpecification: { version: specification } },
  }
}

/**
 * Verifies a slice against one provider with Pact's verifier.
 * @param files what `writeSlice` wrote.
 * @returns each interaction's outcome by its id.
 * @throws FICUS_INTERNAL when the verifier itself fails, with what it printed.
 */
export async function verifySlice(
  slice: Slice,
  files: readonly string[],
  provider: Provider,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Outcome>> {
  await using relay = await startStateRelay(provider.states, signal)
  const text = await runVerifier(
    {
      providerBaseUrl: provider.url,
      pactUrls: [...files],
      providerStatesSetupUrl: relay.url,
      timeout: REQUEST_TIMEOUT,
      followRedirects: false,
      failIfNoPactsFound: true,
      logLevel: 'error',
    },
    provider.name,
    signal,
  )
  const report = parseReport(text)
  if (report === null) {
    throw new FicusError('FICUS_INTERNAL', `Pact’s verifier could not verify ${provider.name}: ${text}`)
  }
  return new Map(
    slice.interactions.map(({ id, states }) => [
      id,
      outcomeOf(
        report,
        id,
        states.flatMap(({ name }) => relay.failures.get(name) ?? []),
      ),
    ]),
  )
}

async function runVerifier(options: VerifierOptions, name: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted()
  // A fifth of what a command would load that verifies no pact.
  const { execa } = await import('execa')
  const { ipcOutput, all, exitCode } = await execa(process.execPath, [VERIFIER, JSON.stringify(options)], {
    ipc: true,
    all: true,
    reject: false,
    cancelSignal: signal,
    extendEnv: false,
    env: verifierEnvironment(process.env),
  })
  signal.throwIfAborted()
  const [report] = ipcOutput
  if (typeof report === 'string') return report
  throw new FicusError(
    'FICUS_INTERNAL',
    `Pact’s verifier ended (code ${exitCode}) on ${name} without a report:\n${all}`,
  )
}

/**
 * The verifier reads filters, brokers and proxies from the environment: none of them may change which interactions
 * are verified, and a local provider is never asked through a proxy. Its usage reports are turned off.
 */
export function verifierEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(env).flatMap(([key, value]) =>
    value === undefined || key.startsWith('PACT_') ? [] : [[key, value] as const],
  )
  const direct = [env.NO_PROXY ?? env.no_proxy, '127.0.0.1', 'localhost', '::1'].filter(Boolean).join(',')
  return { ...Object.fromEntries(kept), NO_PROXY: direct, no_proxy: direct, PACT_DO_NOT_TRACK: 'true' }
}
