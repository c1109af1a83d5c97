import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { messageOf } from '@ficus/core/errors/ficus-error'
import { z } from 'zod'

/** Stands between Pact's verifier and a provider's endpoint for its states. */
export interface StateRelay extends AsyncDisposable {
  readonly url: string
  /** Why a state could not be made or taken back, by the state's name. */
  readonly failures: ReadonlyMap<string, string>
}

const CHANGE = z.looseObject({ state: z.string(), action: z.enum(['setup', 'teardown']) })
const TIMEOUT = 12_000
const SHOWN_CHARACTERS = 300

/**
 * Passes provider states on to `endpoint`, once each. The verifier asks eight times over two minutes when an endpoint
 * answers 5xx, asks for a state named '' where an interaction has none, and keeps the endpoint's reason to itself: so a
 * failure becomes a 400, which it takes at once, '' goes no further, and reasons are kept here.
 */
export async function startStateRelay(endpoint: string, signal: AbortSignal): Promise<StateRelay> {
  const failures = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const answer = await relay(request).catch(() => null)
    response.writeHead(answer === null ? 400 : 200, { 'content-type': 'application/json' }).end(answer ?? '{}')
  })
  const relay = async (request: IncomingMessage): Promise<string | null> => {
    const body = await text(request)
    const { state, action } = CHANGE.parse(JSON.parse(body))
    if (state === '') return '{}'
    const result = await changeState(endpoint, body, signal)
    if (result.made) return result.answer
    const what = action === 'setup' ? 'made' : 'taken back'
    failures.set(state, `provider state ${JSON.stringify(state)} could not be ${what}: POST ${endpoint} ${result.why}`)
    return null
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return {
    url: `http://127.0.0.1:${address.port}/`,
    failures,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

type StateChange = { readonly made: true; readonly answer: string } | { readonly made: false; readonly why: string }

async function changeState(endpoint: string, body: string, signal: AbortSignal): Promise<StateChange> {
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    })
    const answer = await response.text()
    if (response.ok) return { made: true, answer: isJson(answer) ? answer : '{}' }
    return { made: false, why: `answered ${response.status} ${answer.slice(0, SHOWN_CHARACTERS)}`.trim() }
  } catch (error) {
    const beneath = error instanceof Error && error.cause !== undefined ? error.cause : error
    return { made: false, why: `failed: ${messageOf(beneath)}` }
  }
}

/** Values in the answer fill in the interaction's request; an answer without any is as good. */
function isJson(answer: string): boolean {
  try {
    JSON.parse(answer)
    return true
  } catch {
    return false
  }
}
