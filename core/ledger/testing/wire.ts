import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A TCP wire to a database that a test can cut or freeze. */
export interface Wire extends AsyncDisposable {
  /** The database's address through the wire. */
  readonly url: string
  /** Ends every connection and refuses new ones. */
  cut(): Promise<void>
  mend(): Promise<void>
  /** Nothing passes any more, and no connection ends: as when a host vanishes. */
  freeze(): void
}

export async function startWire(databaseUrl: string): Promise<Wire> {
  const url = new URL(databaseUrl)
  const target = { host: url.hostname, port: Number(url.port) }
  const sockets = new Set<Socket>()
  let frozen = false
  const server = createServer(incoming => {
    const outgoing = connect(target)
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', bytes => {
        if (!frozen) to.write(bytes)
      })
    }
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const cut = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await listen(0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the wire has no port')
  url.port = String(address.port)
  return {
    url: url.href,
    cut,
    mend: () => listen(address.port),
    freeze: () => {
      frozen = true
    },
    [Symbol.asyncDispose]: cut,
  }
}
