import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { databaseError } from '@ficus/core/ledger/connection'
import { quoteIdentifier, quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Endpoint, endSession, openReplicationSession, withSession } from '../database/session.ts'
import { readSlot } from './slot-state.ts'

/** A slot, its publication, and a snapshot of the database at the very point where the slot's stream begins. */
export interface ExportedSlot extends AsyncDisposable {
  /** `SET TRANSACTION SNAPSHOT` takes it, as long as this object is not disposed of. */
  readonly snapshot: string
  /** The stream holds exactly the transactions that the snapshot does not see. */
  readonly consistentPoint: string
}

/** How long the creation of a slot may wait for transactions in flight; then it says which ones it waits for. */
const SLOT_LOCK_TIMEOUT_MS = 10_000

/**
 * Makes the publication, or gives an old one of that name the tables of now. TRUNCATE is published too.
 * @param publish which kinds of changes. Where updates are published, PostgreSQL refuses those of a table without a replica
 *   identity, whoever writes them.
 * @throws FICUS_DATABASE_UNFIT where the user may not.
 */
export async function createPublication(
  client: Client,
  source: Endpoint,
  name: string,
  tables: readonly TableName[],
  publish = 'insert, update, delete, truncate',
): Promise<void> {
  const list = [...new Set(tables.map(quoteTable))].join(', ')
  const publication = quoteIdentifier(name)
  const options = `publish = '${publish}', publish_via_partition_root = true`
  const { rowCount } = await client.query('SELECT FROM pg_publication WHERE pubname = $1', [name])
  const statement =
    rowCount === 0
      ? `CREATE PUBLICATION ${publication} FOR TABLE ${list} WITH (${options})`
      : `ALTER PUBLICATION ${publication} SET TABLE ${list}`
  await alterPublication(client, source, tables, statement)
}

/** OIDs of the tables that a publication names; none where there is no such publication. */
export async function readPublishedTables(client: Client, name: string): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ oid: string }>(
    `SELECT prrelid::int8::text AS oid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
     WHERE p.pubname = $1`,
    [name],
  )
  return new Set(rows.map(row => Number(row.oid)))
}

/**
 * Publishes more tables; those that are published already are no problem. Transactions that wrote to them before are
 * not sent, nor is what those that are under way now wrote so far.
 * @throws FICUS_DATABASE_UNFIT where the user may not.
 */
export async function addToPublication(
  client: Client,
  source: Endpoint,
  name: string,
  tables: readonly TableName[],
): Promise<void> {
  const published = await readPublishedTables(client, name)
  for (const table of new Map(tables.map(table => [showTable(table), table])).values()) {
    const { rows } = await client.query<{ oid: string }>('SELECT to_regclass($1)::oid::int8::text AS oid', [
      quoteTable(table),
    ])
    if (published.has(Number(rows[0]?.oid))) continue
    await alterPublication(
      client,
      source,
      [table],
      `ALTER PUBLICATION ${quoteIdentifier(name)} ADD TABLE ${quoteTable(table)}`,
    )
  }
}

async function alterPublication(
  client: Client,
  source: Endpoint,
  tables: readonly TableName[],
  statement: string,
): Promise<void> {
  try {
    await client.query(`SET lock_timeout = ${SLOT_LOCK_TIMEOUT_MS}`)
    await client.query(statement)
    await client.query('RESET lock_timeout')
  } catch (error) {
    if (systemCodeOf(error) !== '42501') throw error
    throw new FicusError('FICUS_DATABASE_UNFIT', `${source.name} refuses a publication: ${messageOf(error)}`, {
      cause: error,
      remedy: `The user needs CREATE on the database and must own ${tables.map(showTable).join(', ')}.`,
    })
  }
}

/**
 * Creates the slot in a statement of its own and exports the snapshot that belongs to it. Waits a bounded time for
 * transactions that were in flight; a slot half made is removed by the server.
 * @param failover standbys that synchronise slots keep a copy of it, with which they can go on once promoted; from
 *   PostgreSQL 17 on, and without effect before.
 * @throws FICUS_DATABASE_UNFIT (wal_level, no slot free, no right to replicate), FICUS_DATABASE_UNREACHABLE where
 *   transactions in flight hold it up: trying again is right.
 */
export async function createExportedSlot(source: Endpoint, slot: string, failover = true): Promise<ExportedSlot> {
  const client = await openReplicationSession(source)
  try {
    const options = failover && (await canFailOver(client)) ? `SNAPSHOT 'export', FAILOVER` : `SNAPSHOT 'export'`
    await client.query(`SET lock_timeout = ${SLOT_LOCK_TIMEOUT_MS}`)
    const { rows } = await client.query<{ snapshot_name: string; consistent_point: string }>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} LOGICAL pgoutput (${options})`,
    )
    const [created] = rows
    if (created === undefined) throw new FicusError('FICUS_INTERNAL', `creating slot ${slot} answered nothing`)
    return {
      snapshot: created.snapshot_name,
      consistentPoint: created.consistent_point,
      [Symbol.asyncDispose]: () => endSession(client),
    }
  } catch (error) {
    await endSession(client)
    throw await slotFailure(error, source, slot)
  }
}

/** A standby can hold no slot of its own that another standby would copy. */
async function canFailOver(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ able: boolean }>(
    `SELECT current_setting('server_version_num')::int >= 170000 AND NOT pg_is_in_recovery() AS able`,
  )
  return rows[0]?.able === true
}

/**
 * Removes slot and publication; those that are not there are no problem. A reader that is still connected gets a
 * moment to leave.
 * @throws FICUS_LEASE_HELD where the slot stays in use.
 */
export async function dropSlotAndPublication(source: Endpoint, slot: string, patienceMs = 10_000): Promise<void> {
  await withSession(source, async client => {
    await dropSlot(client, slot, patienceMs)
    await client.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(slot)}`)
  })
}

async function dropSlot(client: Client, slot: string, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const state = await readSlot(client, slot)
    if (state === null) return
    if (state.activePid === null) {
      try {
        await client.query('SELECT pg_drop_replication_slot($1)', [slot])
        return
      } catch (error) {
        // Somebody took or dropped it between the two statements: look again.
        if (!['55006', '42704'].includes(systemCodeOf(error) ?? '')) throw error
      }
    }
    if (performance.now() > deadline) {
      throw new FicusError('FICUS_LEASE_HELD', `slot ${slot} is in use by backend ${state.activePid}`, {
        remedy: 'Stop the other sync process (or connector) that reads this slot; then try again.',
      })
    }
    await sleep(100)
  }
}

/** What keeps a slot from being made, with its remedy. */
export async function slotFailure(error: unknown, source: Endpoint, slot: string): Promise<unknown> {
  const code = systemCodeOf(error)
  const because = `${source.name} cannot make slot ${slot}: ${messageOf(error)}`
  if (code === '55P03') {
    const waiting = await withSession(source, longTransactions).catch(() => '')
    return new FicusError('FICUS_DATABASE_UNREACHABLE', `${because}; open transactions hold it up${waiting}`, {
      cause: error,
      remedy: 'It is tried again. A slot waits for every open transaction to end: end those that are idle.',
    })
  }
  if (code === '55000' && /wal_level/.test(messageOf(error))) {
    return new FicusError('FICUS_DATABASE_UNFIT', because, {
      cause: error,
      remedy: `Set wal_level = logical in the server's configuration and restart it.`,
    })
  }
  if (code === '53400' || code === '53300') {
    return new FicusError('FICUS_DATABASE_UNFIT', because, {
      cause: error,
      remedy:
        'Raise max_replication_slots (and max_wal_senders) and restart the server, or drop slots that nobody reads.',
    })
  }
  if (code === '42501') {
    return new FicusError('FICUS_DATABASE_UNFIT', because, {
      cause: error,
      remedy: 'Give the user the REPLICATION attribute: ALTER ROLE … REPLICATION.',
    })
  }
  return databaseError(error, source.name, source.url)
}

async function longTransactions(client: Client): Promise<string> {
  const { rows } = await client.query<{ pid: number; seconds: string; application_name: string }>(
    `SELECT pid, round(extract(epoch FROM clock_timestamp() - xact_start))::text AS seconds, application_name
     FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 5`,
  )
  const list = rows.map(row => `pid ${row.pid} (${row.application_name || 'unnamed'}, ${row.seconds} s)`)
  return list.length === 0 ? '' : `: ${list.join(', ')}`
}

/** Where the source's log ends now. */
export async function readLogEnd(client: Client): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn')
  return rows[0]?.lsn ?? '0/0'
}
