import { randomBytes } from 'node:crypto'
import { freePort } from '../native/free-port.ts'
import { startUnleash, type UnleashServer } from '../native/unleash.ts'
import { createDatabase } from './postgres.ts'

/** Where a test wants its server: to start one anew where another was stopped, both are given. */
export interface TestUnleashOptions {
  readonly databaseUrl?: string
  readonly port?: number
}

/** A real Unleash server on a fresh database and a free port, with tokens of its own; `await using` ends both. */
export async function startTestUnleash(options: TestUnleashOptions = {}): Promise<UnleashServer> {
  const database = options.databaseUrl === undefined ? await createDatabase('unleash') : undefined
  const release = async () => database?.[Symbol.asyncDispose]()
  try {
    const server = await startUnleash({
      databaseUrl: options.databaseUrl ?? database?.url ?? '',
      port: options.port ?? (await freePort()),
      adminToken: `*:*.${randomBytes(16).toString('hex')}`,
      backendToken: `*:development.${randomBytes(16).toString('hex')}`,
    })
    const stop = async () => {
      await server.stop()
      await release()
    }
    return { ...server, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await release()
    throw error
  }
}
