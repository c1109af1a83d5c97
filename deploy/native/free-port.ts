import { once } from 'node:events'
import { createServer } from 'node:net'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'

/** A TCP port of 127.0.0.1 that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return listenOnce(0)
}

/**
 * Makes sure that nobody listens on a port before a server is started there.
 *
 * @param setting what the person changes to get another port, such as `--postgres-port`.
 * @throws FicusError FICUS_PORT_TAKEN
 */
export async function assertPortFree(port: number, name: string, setting: string): Promise<void> {
  try {
    await listenOnce(port)
  } catch (cause) {
    if (systemCodeOf(cause) !== 'EADDRINUSE') throw cause
    throw new FicusError('FICUS_PORT_TAKEN', `${name} cannot listen on 127.0.0.1:${port}: something else does`, {
      cause,
      remedy: `Stop the process that listens on port ${port}, or choose another port with ${setting}.`,
    })
  }
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return address.port
}
