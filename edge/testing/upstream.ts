import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'

/** A real server on a free port, with what it was asked. */
export interface TestUpstream extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly server: Server
  readonly requests: IncomingMessage[]
}

/** An HTTP upstream that answers by `listener`. */
export async function startUpstream(listener: RequestListener): Promise<TestUpstream> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  const port = await listening(server)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An upstream that says its name. */
export function startNamed(name: string): Promise<TestUpstream> {
  return startUpstream((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ name }))
  })
}

/** A TCP server, for upstreams that break the protocol: `serve` gets each connection with its first bytes. */
export async function startRaw(
  serve: (socket: Socket, request: string) => void,
): Promise<AsyncDisposable & { url: string }> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    socket.once('data', chunk => serve(socket, chunk.toString('latin1')))
  })
  const port = await listening(server)
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
