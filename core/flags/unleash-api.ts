import { FicusError, messageOf } from '../errors/ficus-error.ts'

/** Longest wait for one answer of the flag server, milliseconds. */
const ANSWER_TIMEOUT = 5_000

export interface UnleashRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly token: string
  /** Which setting the token stands in, for the remedy when it is refused. */
  readonly tokenSetting: 'flags.token' | 'flags.adminToken'
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly signal?: AbortSignal
}

/**
 * Asks the Unleash server and reads its whole answer.
 * @param url the server's address without `/api`; it begins each message.
 * @param path starts with `/api`.
 * @returns the answer, whatever its status, unless that is 401, 403 or a failure of the server.
 * @throws FICUS_FLAGS_UNREACHABLE: no answer in time, a broken one, or one of 429 or 500 and above. FICUS_FLAGS_REFUSED: 401, 403.
 */
export async function askUnleash(url: string, path: string, request: UnleashRequest): Promise<UnleashAnswer> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT)
  const at = `the flag server at ${url}`
  let answer: UnleashAnswer
  try {
    const response = await fetch(`${url}${path}`, {
      method: request.method ?? 'GET',
      headers: {
        authorization: request.token,
        ...(request.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
      signal: request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]),
    })
    answer = { status: response.status, etag: response.headers.get('etag'), text: await response.text() }
  } catch (error) {
    const why = timeout.aborted ? `no answer within ${ANSWER_TIMEOUT} ms` : reasonOf(error)
    throw new FicusError('FICUS_FLAGS_UNREACHABLE', `${at} cannot be reached: ${why}`, { cause: error })
  }
  if (answer.status === 401 || answer.status === 403) {
    throw new FicusError('FICUS_FLAGS_REFUSED', `${at} refused ${request.tokenSetting} with ${answer.status}`, {
      remedy: `Correct ${request.tokenSetting}: an expired token, one of another environment, or one without the permission.`,
    })
  }
  if (answer.status === 429 || answer.status >= 500) {
    throw new FicusError('FICUS_FLAGS_UNREACHABLE', `${at} answered ${answer.status}: ${excerpt(answer.text)}`)
  }
  return answer
}

/** An answer of the flag server, read whole. */
export interface UnleashAnswer {
  readonly status: number
  readonly etag: string | null
  readonly text: string
}

/** The answer's JSON. @throws FICUS_FLAGS_UNREACHABLE where it is none, as when something else answers at this address. */
export function jsonOf(answer: UnleashAnswer, url: string): unknown {
  try {
    return JSON.parse(answer.text)
  } catch (error) {
    throw new FicusError(
      'FICUS_FLAGS_UNREACHABLE',
      `at ${url} something answers that is not Unleash: ${excerpt(answer.text)}`,
      { cause: error, remedy: 'Correct flags.url: the server’s address without `/api`.' },
    )
  }
}

/** The start of an answer, for a message. */
export function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

/** `fetch` says only that it failed; the reason is the cause beneath. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)
}
