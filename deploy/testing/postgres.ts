import { randomBytes } from 'node:crypto'
import pRetry from 'p-retry'
import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import type { PostgresServer } from '../native/postgres.ts'
import { startThrowAwayPostgres } from './cluster.ts'

/** An empty database of its own for a test; `await using` drops it with its sessions and replication slots. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  readonly name: string
}

/**
 * Makes a fresh database on the cluster that all tests share. The project's `globalSetup` must name
 * deploy/testing/postgres.setup.ts.
 *
 * @param prefix begins the database's name, so that a leftover tells whose it was.
 */
export async function createDatabase(prefix = 'test'): Promise<TestDatabase> {
  const adminUrl = inject('postgresUrl')
  const name = `${prefix}_${randomBytes(5).toString('hex')}`
  // By copying files: through the log it takes twice the time, and every slot of the server would have to read past it.
  const create = `CREATE DATABASE ${pg.escapeIdentifier(name)} STRATEGY = file_copy`
  await withClient(adminUrl, client => client.query(create))
  const url = new URL(adminUrl)
  url.pathname = `/${encodeURIComponent(name)}`
  return { url: url.href, name, [Symbol.asyncDispose]: () => dropDatabase(adminUrl, name) }
}

/** The address of the same database for a user whom the shared cluster refuses: the superuser's password it does not look at. */
export function withWrongPassword(url: string): string {
  return Object.assign(new URL(url), { username: 'nobody', password: 'wrong' }).href
}

/** An own cluster for a test that kills or misconfigures it, such as `startTestPostgres({ wal_level: 'replica' })`. */
export function startTestPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  return startThrowAwayPostgres(settings)
}

/**
 * A cluster for the tests of one file, where those of others would be in the way: to make a slot or to compare at one position
 * waits for all transactions of a server.
 * @returns what makes databases there; they go with the cluster.
 */
export function ownCluster(settings: Readonly<Record<string, string>> = {}): (prefix: string) => Promise<TestDatabase> {
  let server: PostgresServer
  let databases = 0
  beforeAll(async () => {
    server = await startTestPostgres(settings)
  })
  afterAll(() => server.stop())
  return async prefix => {
    databases += 1
    const name = `${prefix}_${databases}`
    return { url: await server.createDatabase(name), name, [Symbol.asyncDispose]: async () => {} }
  }
}

async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async client => {
    // A slot stays active for a moment after its sender was told to end, so dropping it is tried a few times.
    await pRetry(() => dropSlots(client, name), { retries: 20, minTimeout: 20, factor: 1.2 })
    await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`)
  })
}

async function dropSlots(client: pg.Client, database: string): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active_pid IS NOT NULL`,
    [database],
  )
  await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1', [
    database,
  ])
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
