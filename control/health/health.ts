import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'

const TIMEOUT = 5_000

/** The version of a build that does not tell its own. */
export const UNNAMED = 'unnamed'

/** A process's answer to the question whether it lives. */
export interface Health {
  /** What runs there; `UNNAMED` where its answer holds no `version`. */
  readonly version: string
}

/**
 * Asks a process whether it lives.
 * @param who as a person knows it: `the monolith`.
 * @throws FICUS_SERVICE_UNREACHABLE where it does not answer, or not with a 2xx.
 */
export async function readHealth(who: string, url: string, path: string, signal: AbortSignal): Promise<Health> {
  const response = await ask(who, url + path, signal)
  return { version: versionIn(await response.text()) }
}

/**
 * Asks a process whether it is ready for traffic.
 * @throws FICUS_SERVICE_UNREACHABLE where it does not answer, or not with a 2xx.
 */
export async function askReady(who: string, url: string, path: string, signal: AbortSignal): Promise<void> {
  const response = await ask(who, url + path, signal)
  await response.arrayBuffer()
}

async function ask(who: string, url: string, signal: AbortSignal): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]) })
  } catch (error) {
    signal.throwIfAborted()
    throw new FicusError('FICUS_SERVICE_UNREACHABLE', `${who} does not answer at ${url}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  if (response.ok) return response
  const body = await response.text().catch(() => '')
  throw new FicusError('FICUS_SERVICE_UNREACHABLE', `${who} answers ${response.status} at ${url}${excerpt(body)}`, {
    remedy: 'Look at its log: it runs, but does not call itself well.',
  })
}

/** `fetch failed` says nothing; what is beneath does. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error)
}

function excerpt(body: string): string {
  const line = body.trim().slice(0, 200)
  return line === '' ? '' : `: ${line}`
}

function versionIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null && 'version' in parsed) {
      if (typeof parsed.version === 'string' || typeof parsed.version === 'number') return String(parsed.version)
    }
  } catch {
    // A health answer need not be JSON.
  }
  return UNNAMED
}
