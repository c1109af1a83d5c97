import { FicusError } from '@ficus/core/errors/ficus-error'
import { z } from 'zod'

const HEALTH = z.object({ version: z.union([z.string().min(1), z.number()]).transform(String) })
const TIMEOUT = 5_000

/**
 * Asks a running provider for its version: `version` in the JSON of its health route.
 * @returns null when it does not say.
 * @throws FICUS_SERVICE_UNREACHABLE when nothing answers.
 */
export async function versionOf(health: string, name: string, signal: AbortSignal): Promise<string | null> {
  let text: string
  try {
    const response = await fetch(health, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]) })
    text = await response.text()
  } catch (cause) {
    signal.throwIfAborted()
    throw new FicusError('FICUS_SERVICE_UNREACHABLE', `${name} does not answer at ${health}`, {
      cause,
      remedy:
        'Start it, correct its `contracts` address, or give it `start` so that it is started for the verification.',
    })
  }
  return versionIn(text)
}

function versionIn(text: string): string | null {
  try {
    return HEALTH.parse(JSON.parse(text)).version
  } catch {
    return null
  }
}
