import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

/** What the front answers: Unleash's own answer, a bare status, a reset connection, nothing ever, or a web page. */
export type FrontAnswer = 'pass' | 401 | 403 | 503 | 'reset' | 'hang' | 'web page'

export interface Front extends AsyncDisposable {
  readonly url: string
  answer: FrontAnswer
  /** Polls for flags so far. */
  readonly asked: number
}

/** Stands before a real Unleash server and fails on request. */
export async function startFront(unleashUrl: string): Promise<Front> {
  const state: { answer: FrontAnswer; asked: number } = { answer: 'pass', asked: 0 }
  const server = createServer((incoming, outgoing) => {
    if (incoming.url?.startsWith('/api/client/features')) state.asked += 1
    if (state.answer === 'pass') pass(unleashUrl, incoming, outgoing)
    else if (state.answer === 'reset') incoming.socket.resetAndDestroy()
    else if (state.answer === 'web page') outgoing.end('<html>Please log in</html>')
    else if (state.answer !== 'hang') outgoing.writeHead(state.answer).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the front has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    get answer() {
      return state.answer
    },
    set answer(answer) {
      state.answer = answer
    },
    get asked() {
      return state.asked
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function pass(to: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const upstream = request(new URL(incoming.url ?? '/', to), { method: incoming.method, headers: incoming.headers })
  upstream.on('response', answer => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  upstream.on('error', () => outgoing.destroy())
  incoming.pipe(upstream)
}
