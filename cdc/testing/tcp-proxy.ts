import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A server's address through which connections can be made to hang, as a network does that swallows packets. */
export interface TcpProxy extends AsyncDisposable {
  /** `url` with the proxy's address in place of the server's. */
  through(url: string): string
  /** From now on, connections that are open carry nothing and are not closed; new ones work. */
  hang(): void
  /** New connections go to this port from now on. */
  redirect(port: number): void
}

export async function createTcpProxy(port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const hanging = new Set<Socket>()
  let target = port
  const server = createServer(client => {
    const upstream = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => from.destroy())
      from.on('close', () => {
        // A connection that hangs hides from each end that the other is gone.
        if (sockets.delete(from) && !hanging.has(from)) to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const own = typeof address === 'object' && address !== null ? address.port : 0
  return {
    through: url => {
      const changed = new URL(url)
      changed.port = String(own)
      return changed.href
    },
    hang: () => {
      for (const socket of sockets) {
        hanging.add(socket)
        socket.unpipe()
        socket.pause()
      }
    },
    redirect: other => {
      target = other
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of [...sockets, ...hanging]) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
