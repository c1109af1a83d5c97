import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { expect, vi } from 'vitest'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import type { Endpoint } from '../database/session.ts'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import type { PipelineOptions } from '../pipeline/pipeline-options.ts'

/** Two databases, and the pipelines of a test between them; `await using` stops and drops all. */
export interface SyncHarness extends AsyncDisposable {
  readonly source: Endpoint
  readonly target: Endpoint
  /** Runs SQL on one side. */
  onSource(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  onTarget(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** A pipeline that has not started. */
  pipeline(options?: Partial<PipelineOptions>): Pipeline
  /** Starts a pipeline and waits until it streams. */
  streaming(options?: Partial<PipelineOptions>): Promise<Pipeline>
  caughtUp(): Promise<void>
}

export const CAPABILITY = 'catalog'
/** The id of the ledger that asks for every pipeline of a harness. */
export const LEDGER = '10000000-0000-4000-8000-000000000001'

/** A database of a test's own; deploy/testing/postgres.ts makes them. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
}

/** Makes both databases with their schemas. */
export async function createHarness(
  createDatabase: (prefix: string) => Promise<TestDatabase>,
  sourceSql: string,
  targetSql: string,
  syncInput: SyncInput,
): Promise<SyncHarness> {
  const databases = [await createDatabase('source'), await createDatabase('target')] as const
  const [sourceDb, targetDb] = databases
  const clients = await Promise.all(databases.map(openClient))
  const [sourceClient, targetClient] = clients
  if (sourceClient === undefined || targetClient === undefined) throw new Error('two databases have two clients')
  await sourceClient.query(sourceSql)
  await targetClient.query(targetSql)
  const source = { url: sourceDb.url, name: 'the monolith’s database' }
  const target = { url: targetDb.url, name: 'the service’s database' }
  const pipelines: Pipeline[] = []

  const pipeline = (options: Partial<PipelineOptions> = {}) => {
    const made = new Pipeline({
      capability: CAPABILITY,
      direction: 'forward',
      ledger: LEDGER,
      source,
      target,
      sync: parseSync(syncInput),
      engine: engineOptions => new PostgresSource(engineOptions),
      batchRows: 20_000,
      copyWorkers: 2,
      heartbeatMs: 100,
      watchMs: 200,
      backoff: { first: 20, last: 200 },
      ...options,
    })
    pipelines.push(made)
    return made
  }
  return {
    source,
    target,
    onSource: async (sql, values) => (await sourceClient.query(sql, values)).rows,
    onTarget: async (sql, values) => (await targetClient.query(sql, values)).rows,
    pipeline,
    streaming: async options => {
      const made = pipeline(options)
      await made.start()
      await reaches(made, 'streaming')
      return made
    },
    caughtUp: async () => {
      const failed = new AbortController()
      const last = pipelines.at(-1)
      void last?.ended().then(() => {
        const { state, error } = last.status()
        if (state === 'failed') failed.abort(new Error(`sync has failed: ${error?.message}`))
      })
      const { signal } = failed
      const timeoutMs = 40_000
      await waitUntilCaughtUp({ source, target, capability: CAPABILITY, direction: 'forward', timeoutMs, signal })
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(pipelines.map(made => made.stop()))
      await Promise.all(clients.map(client => client.end()))
      for (const database of databases) await database[Symbol.asyncDispose]()
    },
  }
}

/**
 * The same harness for a user who owns the tables and may replicate, and nothing else: no origin, no silent triggers.
 * @param tables on either side, which become the user's.
 */
export async function asPlainUser(
  sync: SyncHarness,
  sourceTables: readonly string[],
  targetTables: readonly string[],
): Promise<SyncHarness> {
  const role = `plain_${randomBytes(4).toString('hex')}`
  await sync.onSource(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'plain'`)
  const own = (tables: readonly string[]) =>
    [
      ...tables.map(table => `ALTER TABLE ${table} OWNER TO ${role}`),
      `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ${role}', current_database()); END $$`,
    ].join('; ')
  await sync.onSource(own(sourceTables))
  await sync.onTarget(own(targetTables))
  const asRole = (endpoint: Endpoint): Endpoint => {
    const url = new URL(endpoint.url)
    url.username = role
    url.password = 'plain'
    return { ...endpoint, url: url.href }
  }
  const ends = { source: asRole(sync.source), target: asRole(sync.target) }
  return {
    ...sync,
    ...ends,
    pipeline: options => sync.pipeline({ ...ends, ...options }),
    streaming: options => sync.streaming({ ...ends, ...options }),
  }
}

/** Waits until a pipeline is in `state`; a failure on the way fails the test with its message. */
export async function reaches(pipeline: Pipeline, state: string, timeout = 40_000): Promise<void> {
  await vi.waitFor(
    () => {
      const status = pipeline.status()
      expect(`${status.state} ${status.error?.message ?? ''}`.trim()).toMatch(new RegExp(`^${state}`))
    },
    { timeout, interval: 10 },
  )
}

async function openClient(database: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url })
  client.on('error', () => {})
  await client.connect()
  return client
}
