import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { type Server, serverOf, startChild } from './child.ts'
import { READY_LINE } from './unleash-ready.ts'

const ENTRY = fileURLToPath(new URL('./unleash-server.ts', import.meta.url))
/** The file that docker-compose.yml gives to the container. */
const ENV_FILE = new URL('../unleash/unleash.env', import.meta.url)
const START_TIMEOUT = 120_000

export interface UnleashOptions {
  /** Its own database: migrated at the start, gone on with if it was used before. */
  readonly databaseUrl: string
  /** TCP port of 127.0.0.1. */
  readonly port: number
  /** Sets flags, in the form `*:*.secret`. */
  readonly adminToken: string
  /** Reads the flags of one environment, in the form `*:development.secret`. */
  readonly backendToken: string
  /** The password of the web page's first user, `admin`; Unleash's own `unleash4all` unless given. */
  readonly adminPassword?: string
  /** Gets every line of the server's log. */
  readonly log?: (line: string) => void
}

/** A running Unleash server of our own. */
export interface UnleashServer extends Server {
  /** The web page, and the base of `/api`. */
  readonly url: string
  readonly adminToken: string
  readonly clientToken: string
}

/**
 * Starts a real Unleash server (from npm, Apache-2.0) in a process of its own on 127.0.0.1, without telemetry. It ends
 * with this process, even when that is killed.
 *
 * @throws FicusError FICUS_PORT_TAKEN, or FICUS_FLAGS_UNREACHABLE when it does not start; the message ends with its log.
 */
export async function startUnleash(options: UnleashOptions): Promise<UnleashServer> {
  const { databaseUrl, port, adminToken, backendToken, adminPassword = 'unleash4all' } = options
  const url = `http://127.0.0.1:${port}`
  const child = await startChild({
    name: 'Unleash',
    command: process.execPath,
    args: [ENTRY],
    env: {
      ...parseEnv(await readFile(ENV_FILE, 'utf8')),
      DATABASE_URL: databaseUrl,
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: String(port),
      UNLEASH_URL: url,
      UNLEASH_SECRET: createHash('sha256').update(adminToken).digest('hex'),
      UNLEASH_DEFAULT_ADMIN_USERNAME: 'admin',
      UNLEASH_DEFAULT_ADMIN_PASSWORD: adminPassword,
      INIT_ADMIN_API_TOKENS: adminToken,
      INIT_BACKEND_API_TOKENS: backendToken,
    },
    ...(options.log && { log: options.log }),
  })
  try {
    await child.waitForLine(READY_LINE, START_TIMEOUT)
  } catch (cause) {
    await child.stop()
    if (child.tail().includes('EADDRINUSE')) {
      throw new FicusError('FICUS_PORT_TAKEN', `Unleash cannot listen on 127.0.0.1:${port}: something else does`, {
        cause,
      })
    }
    throw new FicusError('FICUS_FLAGS_UNREACHABLE', messageOf(cause), {
      cause,
      remedy: 'Its last lines, above, say why: most often its database is out of reach or refuses the password.',
    })
  }
  return {
    url,
    adminToken,
    clientToken: backendToken,
    ...serverOf(child),
  }
}
