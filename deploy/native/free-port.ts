import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'

/**
 * Below the ports that systems give to outgoing connections (Linux from 32768, macOS and Windows from 49152 on): one of
 * those could take the port between our look and the server's start, or while a server that was killed is away.
 */
const PORTS = { first: 15_000, end: 32_000 } as const

/** A TCP port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  for (;;) {
    try {
      return await listenOnce(randomInt(PORTS.first, PORTS.end))
    } catch (error) {
      if (systemCodeOf(error) !== 'EADDRINUSE') throw error
    }
  }
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
