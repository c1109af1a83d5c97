import { once } from 'node:events'
import { createServer } from 'node:http'

/** One side of a migration, as far as control sees it: it tells its version, whether it is ready, and answers GET. */
export interface Side extends AsyncDisposable {
  readonly url: string
  /** Null tells none. */
  version: string | null
  ready: boolean
  /** Refuses connections from now on. May be called twice. */
  stop(): Promise<void>
}

/** Listens on a free port of 127.0.0.1. */
export async function startSide(version: string): Promise<Side> {
  const server = createServer((request, response) => {
    const ready = request.url !== '/ready' || side.ready
    response.statusCode = ready ? 200 : 503
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify(request.url === '/health' ? { status: 'ok', version: side.version ?? undefined } : { ready }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  const stop = async () => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const side: Side = {
    url: `http://127.0.0.1:${address.port}`,
    version,
    ready: true,
    stop,
    [Symbol.asyncDispose]: stop,
  }
  return side
}
