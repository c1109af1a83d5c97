import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { z } from 'zod'

/** One answer of the bookstore: its status, JSON and content type, or `reset` to break the connection. */
export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly type?: string
}

/** What a test changes of a bookstore that is otherwise correct. */
export interface BookstoreChanges {
  readonly version?: string
  /** Replaces the answer to `GET /books/:id` where there is such a book. */
  readonly book?: (book: Book) => Answer | 'reset'
  /** Replaces the answer to a provider state. */
  readonly state?: (state: string) => number
}

interface Book {
  readonly id: number
  readonly title: string
  readonly price: string
}

/** A running bookstore. */
export interface Bookstore extends AsyncDisposable {
  readonly url: string
  /** Every provider state that it was asked for, such as `setup a book exists`. */
  readonly states: readonly string[]
}

const STATE_CHANGE = z.object({
  state: z.string(),
  action: z.string(),
  params: z.object({ id: z.number().optional() }),
})
const STATES = '/_pact/provider-states'

/** Starts a provider of books over HTTP, with provider states that really put the books there. */
export async function startBookstore(changes: BookstoreChanges = {}): Promise<Bookstore> {
  const books = new Map<number, Book>()
  const states: string[] = []

  const changeState = (change: unknown): Answer => {
    const { state, action, params } = STATE_CHANGE.parse(change)
    states.push(`${action} ${state}`)
    const status = changes.state?.(state) ?? 200
    const id = params.id ?? 0
    if (action === 'setup' && state === 'a book exists') books.set(id, { id, title: 'Emma', price: '9.90' })
    if (action === 'teardown') books.clear()
    return { status, body: status === 200 ? {} : { message: 'no such state' } }
  }

  const answer = async (request: IncomingMessage): Promise<Answer | 'reset'> => {
    const { method = '', url = '' } = request
    if (url === '/health') return { status: 200, body: { status: 'ok', version: changes.version } }
    if (url === STATES) return changeState(await json(request))
    if (method === 'POST' && url === '/books') return { status: 201, body: { id: 8 } }
    const book = books.get(Number(/^\/books\/(\d+)$/.exec(url)?.[1]))
    if (book === undefined) return { status: 404, body: { error: 'not found' } }
    return changes.book?.(book) ?? { status: 200, body: book }
  }

  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const answered = await answer(request)
    if (answered === 'reset') return request.socket.destroy()
    const { status, body, type = 'application/json' } = answered
    return response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body))
  }

  const server = createServer((request, response) => void respond(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    states,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
