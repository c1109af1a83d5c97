import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import pg from 'pg'
import { type Child, type Server, startChild } from './child.ts'
import { claim, initialise, release } from './data-dir.ts'
import { freePort } from './free-port.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { launcher, postgresUser } from './postgres-user.ts'
import { configFileFor, settingsFor } from './postgres-version.ts'

/** The file that docker-compose.yml mounts. */
const CONFIG_FILE = fileURLToPath(new URL('../postgres/postgresql.conf', import.meta.url))
const START_TIMEOUT = 60_000
// SQLSTATE
const INVALID_PASSWORD = '28P01'
const DUPLICATE_DATABASE = '42P04'

export interface PostgresOptions {
  /** The data folder: made if missing, gone on with if not. As root, others must be able to enter its parents. */
  readonly dataDir: string
  /** TCP port of 127.0.0.1; 0 takes a free one. */
  readonly port: number
  /** The superuser's password. A folder keeps the one that it was made with. */
  readonly password: string
  /** The superuser: `postgres` unless given. */
  readonly user?: string
  /** Server settings that win over deploy/postgres/postgresql.conf, such as `{ wal_level: 'replica' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Gets every line of the server's log. */
  readonly log?: (line: string) => void
}

/** A running PostgreSQL of our own. `pid` and `ended` are the postmaster's, so others after `restart`. */
export interface PostgresServer extends Server {
  readonly port: number
  readonly dataDir: string
  /** A connection string for the superuser; `postgres` is the database unless named. */
  url(database?: string): string
  /** Makes the database if it is missing. @returns its connection string. */
  createDatabase(name: string): Promise<string>
  /** Starts it again on the same folder and port, after `kill` or `stop`; a running one is stopped first. */
  restart(settings?: Readonly<Record<string, string>>): Promise<void>
}

/**
 * Starts real PostgreSQL (from npm) on 127.0.0.1 with the configuration file of docker-compose.yml. It ends with this
 * process, even when that is killed.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING without binaries for this platform or when its user cannot reach the folder,
 *   FICUS_LEASE_HELD when another process uses the folder, FICUS_PORT_TAKEN, FICUS_DATABASE_UNFIT when the server refuses
 *   its settings.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { dataDir, password, user = 'postgres' } = options
  const binaries = await postgresBinaries()
  const systemUser = await postgresUser()
  await mkdir(dirname(dataDir), { recursive: true })
  const launchAs = await launcher(systemUser, [binaries.postgres, CONFIG_FILE, dataDir])
  const { major } = binaries
  const cluster = { dataDir, user, password, settings: settingsFor(major, options.settings ?? {}), major }
  await initialise(cluster, systemUser, args => launchAs(binaries.initdb, args))
  const configFile = await configFileFor(major, CONFIG_FILE, join(dataDir, 'ficus.conf'))
  const port = options.port === 0 ? await freePort() : options.port

  const launch = async (settings: Readonly<Record<string, string>>): Promise<Child> => {
    await claim(dataDir)
    const child = await startChild({
      name: 'PostgreSQL',
      ...launchAs(binaries.postgres, [
        '-D',
        dataDir,
        ...flags({ ...settingsFor(major, settings), ...nativeSettings(port, configFile) }),
      ]),
      cwd: '/',
      env: { LC_ALL: 'C', PGDATA: undefined },
      stopSignal: 'SIGINT',
      lastSignal: 'SIGQUIT',
      ...(options.log && { log: options.log }),
    })
    try {
      // A standby is ready for read-only connections.
      await child.waitForLine('database system is ready to accept', START_TIMEOUT)
    } catch (cause) {
      await child.stop()
      throw startFailure(child.tail(), port, dataDir, cause)
    }
    return child
  }

  let settings = options.settings ?? {}
  let child = await launch(settings)
  const stop = async () => {
    await child.stop()
    await release(dataDir)
  }
  const url = (database = 'postgres') =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`
  return {
    get pid() {
      return child.pid
    },
    get ended() {
      return child.ended
    },
    port,
    dataDir,
    url,
    createDatabase: async name => {
      await createDatabaseIfMissing(url(), name, dataDir)
      return url(name)
    },
    kill: signal => child.kill(signal),
    restart: async changed => {
      await child.stop()
      settings = { ...settings, ...changed }
      child = await launch(settings)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** What differs from the container: everything else stands in the configuration file. */
function nativeSettings(port: number, configFile: string): Record<string, string> {
  return {
    config_file: configFile,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
  }
}

function flags(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

function startFailure(tail: string, port: number, dataDir: string, cause: unknown): FicusError {
  if (tail.includes('Address already in use')) {
    return new FicusError('FICUS_PORT_TAKEN', `PostgreSQL cannot listen on 127.0.0.1:${port}: something else does`, {
      cause,
    })
  }
  return new FicusError('FICUS_DATABASE_UNFIT', `PostgreSQL does not start on ${dataDir}: ${messageOf(cause)}`, {
    cause,
    remedy: 'The last lines of its log, above, say why: mend that setting or the data folder.',
  })
}

async function createDatabaseIfMissing(adminUrl: string, name: string, dataDir: string): Promise<void> {
  const client = await connect(adminUrl).catch(cause => {
    if (systemCodeOf(cause) !== INVALID_PASSWORD) throw cause
    throw new FicusError('FICUS_DATABASE_REFUSED', `PostgreSQL on ${dataDir} was made with another password`, {
      cause,
      remedy: `Give the password that it was made with, or remove ${dataDir} to start afresh.`,
    })
  })
  try {
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`)
  } catch (error) {
    if (systemCodeOf(error) !== DUPLICATE_DATABASE) throw error
  } finally {
    await client.end()
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  return client
}
