import { readFile } from 'node:fs/promises'
import { connect } from '@ficus/core/ledger/connection'
import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { PostgresServer } from '@ficus/deploy/native/postgres'
import { startThrowAwayPostgres } from '@ficus/deploy/testing/cluster'
import type { Client } from 'pg'

/**
 * The same for both clusters and both contenders. Nothing waits for a disk, nothing works in the background, and the
 * one large transaction is decoded in memory. A table's copy and stream begin at once, not after the default of 5 s.
 */
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  shared_buffers: '512MB',
  checkpoint_timeout: '1h',
  logical_decoding_work_mem: '256MB',
  wal_retrieve_retry_interval: '10ms',
}

/**
 * Lag is counted from the source's commits. Not at the target: there PostgreSQL's replication would log a conflict for
 * every row that its copy brought and its stream updates.
 */
const SOURCE_SETTINGS = { ...SETTINGS, track_commit_timestamp: 'on' }

const TEMPLATE = 'shop_template'

/** A source and a target cluster, and the template of the source's databases. */
export interface Clusters {
  readonly source: PostgresServer
  readonly target: PostgresServer
}

/** One turn's databases, and a session with each. */
export interface Databases extends AsyncDisposable {
  readonly sourceUrl: string
  readonly targetUrl: string
  readonly ledgerUrl: string
  readonly source: Client
  readonly target: Client
}

/** Starts both clusters and makes the source's template with `rows` products. `resources` stops them, even half started. */
export async function startClusters(rows: number, resources: AsyncDisposableStack): Promise<Clusters> {
  const start = async (settings: Readonly<Record<string, string>>) => {
    let starting: Promise<PostgresServer> | undefined
    resources.defer(async () => {
      const server = await starting?.catch(() => null)
      await server?.stop()
    })
    starting = startThrowAwayPostgres(settings)
    return starting
  }
  const [source, target] = await Promise.all([start(SOURCE_SETTINGS), start(SETTINGS)])
  const template = await connect(await source.createDatabase(TEMPLATE), 'the template')
  try {
    await template.query(await sql('source.sql'))
    await template.query('SELECT add_products(1, $1)', [rows])
    await template.query('VACUUM (FREEZE, ANALYZE) products')
  } finally {
    await template.end()
  }
  return { source, target }
}

/** Fresh databases: the source's with its rows, the target's with both contenders' empty tables. */
export async function createDatabases({ source, target }: Clusters, name: string): Promise<Databases> {
  await onServer(source, `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${TEMPLATE} STRATEGY FILE_COPY`)
  const sourceUrl = source.url(name)
  const targetUrl = await target.createDatabase(name)
  const ledgerUrl = await target.createDatabase(`${name}_ledger`)
  const sourceClient = await connect(sourceUrl, 'the source')
  const targetClient = await connect(targetUrl, 'the target')
  await targetClient.query(await sql('target.sql'))
  return {
    sourceUrl,
    targetUrl,
    ledgerUrl,
    source: sourceClient,
    target: targetClient,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([sourceClient.end(), targetClient.end()])
      await onServer(source, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`)
      await onServer(source, `DROP DATABASE ${quoteIdentifier(name)} WITH (FORCE)`)
      for (const database of [name, `${name}_ledger`]) {
        await onServer(target, `DROP DATABASE ${quoteIdentifier(database)} WITH (FORCE)`)
      }
    },
  }
}

/** What a reader of the numbers has to know of the servers, as they say it themselves. */
export async function describeClusters({ source, target }: Clusters): Promise<string> {
  const query = `SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) AS settings,
                        current_setting('server_version') AS version
                 FROM unnest($1::text[]) AS name`
  const shown = [...Object.keys(SETTINGS), 'synchronous_commit']
  const [ofSource, ofTarget] = await Promise.all([source, target].map(server => onServer(server, query, [shown])))
  const settings = String(ofSource?.[0]?.settings)
  if (settings !== String(ofTarget?.[0]?.settings)) throw new Error('source and target have different settings')
  return `PostgreSQL ${ofSource?.[0]?.version}; source and target: ${settings}`
}

/** Reads a file of this folder. */
export function sql(file: string): Promise<string> {
  return readFile(new URL(file, import.meta.url), 'utf8')
}

async function onServer(
  server: PostgresServer,
  statement: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = await connect(server.url(), 'a cluster of the benchmark')
  try {
    return (await client.query(statement, values)).rows
  } finally {
    await client.end()
  }
}
