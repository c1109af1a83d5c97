import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { clearPause, pauseLock, setPause } from '../apply/pause.ts'
import { type ProgressKey, readProgress } from '../apply/progress.ts'
import { MARK } from '../change-source/marks.ts'
import { lsnToNumber, numberToLsn } from '../change-source/position.ts'
import { type Endpoint, endSession, openReplicationSession, openSession } from '../database/session.ts'
import { emitMark } from '../lag/lag.ts'

/** Snapshots of both databases at one position of the source. */
export interface AlignedSnapshots extends AsyncDisposable {
  /** `SET TRANSACTION SNAPSHOT` takes them, until this object is disposed of. */
  readonly source: string
  readonly target: string
  /** Both hold every transaction of the source that ended here or before, and none that ended later. */
  readonly position: string
  /** How long the applier stood still, ms. */
  readonly pausedMs: number
}

export interface AlignOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly key: ProgressKey
  /** How long the target may take to reach the position, ms. Sync is at work all that time. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The two sides could not be brought to one position; sync goes on as before. */
export class NotAligned extends Error {
  override readonly name = 'NotAligned'
}

/** How long the applier waits for the source's snapshot at most: as long as it holds no transaction's commit back for. */
const FREEZE_MS = 2_000
/** A transaction older than this is not about to end, and the slot would wait for it. */
const LONG_MS = 1_000
const LONG_PATIENCE_MS = 5_000
const POLL_MS = 5
/**
 * The server ends a session that asked for a stand-still and is silent for so long, be it that its process was stopped
 * or the network swallows everything: sync then goes on.
 */
const SILENT_MS = 5 * FREEZE_MS

/**
 * Takes a snapshot of each database at one position of the source, while writes go on:
 *
 * 1. asks the applier to stand still wherever it is;
 * 2. makes a temporary slot on the source, which exports the snapshot at its consistent point (PostgreSQL documentation,
 *    "Exported Snapshots"). That lies behind all that was applied;
 * 3. asks the applier to go exactly there and stand still;
 * 4. takes the target's snapshot when it is there, and withdraws the request.
 *
 * No transaction is open at step 2: both databases may be in one server, and a slot waits for all transactions of it.
 *
 * @throws NotAligned where a long transaction of the source is in the way, or the target does not get there in time.
 */
export async function alignSnapshots(options: AlignOptions): Promise<AlignedSnapshots> {
  await using sessions = new AsyncDisposableStack()
  const open = async (opening: Promise<Client>) => {
    const client = await opening
    sessions.defer(() => endSession(client))
    return client
  }
  const holder = await open(openSession(options.target))
  const marker = await open(openSession(options.source))
  await awaitShortTransactions(marker, options.signal)
  try {
    await holder.query(
      `SET lock_timeout = ${options.timeoutMs}; SET idle_session_timeout = ${SILENT_MS}; SELECT pg_advisory_lock(${pauseLock(options.key)})`,
    )
    const frozenAt = performance.now()
    const slot = await freeze(holder, marker, options)
    sessions.defer(() => slot[Symbol.asyncDispose]())
    const frozenMs = performance.now() - frozenAt
    // A transaction behind the position, without which the applier would not know that it is there.
    await emitMark(marker, MARK.WAYPOINT)
    const reachedAt = await awaitPosition(holder, slot.position, options)
    const exporter = await open(openSession(options.target))
    await exporter.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const { rows } = await exporter.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot')
    await assertStandsAt(holder, slot.position, options)
    await holder.query(clearPause(options.key))
    const pausedMs = frozenMs + performance.now() - reachedAt
    await endSession(holder)
    const kept = sessions.move()
    return {
      source: slot.snapshot,
      target: rows[0]?.snapshot ?? '',
      position: slot.position,
      pausedMs,
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    }
  } catch (error) {
    // Ending the session voids the request too, should this fail.
    await holder.query(`ROLLBACK; ${clearPause(options.key)}`).catch(() => {})
    options.signal.throwIfAborted()
    throw error instanceof NotAligned ? error : new NotAligned(messageOf(error), { cause: error })
  }
}

/** A slot of the source for the time of one session. */
interface TemporarySlot extends AsyncDisposable {
  readonly snapshot: string
  readonly position: string
}

/** Makes the slot while the applier stands still, and has it go on to the slot's consistent point. */
async function freeze(holder: Client, source: Client, options: AlignOptions): Promise<TemporarySlot> {
  const { rowCount } = await holder.query(setPause(options.key, '0/0'))
  if (rowCount !== 1) throw new NotAligned('the target has no position')
  const making = createTemporarySlot(options.source)
  try {
    // What is left of the time keeps no command alive that has done its work.
    const slot = await Promise.race([making, sleep(FREEZE_MS, null, { ref: false })])
    if (slot === null) throw new NotAligned(`${options.source.name} gave no snapshot within ${FREEZE_MS} ms`)
    await holder.query(setPause(options.key, slot.position))
    return slot
  } catch (error) {
    void making.then(
      late => late[Symbol.asyncDispose](),
      () => {},
    )
    const open = await openTransactions(source, FREEZE_MS / 2)
    throw open.length > 0 ? new NotAligned(inTheWay(open), { cause: error }) : error
  }
}

async function createTemporarySlot(source: Endpoint): Promise<TemporarySlot> {
  const client = await openReplicationSession(source)
  try {
    await client.query(`SET lock_timeout = ${FREEZE_MS}`)
    const name = `ficus_verify_${randomBytes(6).toString('hex')}`
    const { rows } = await client.query<{ snapshot_name: string; consistent_point: string }>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`,
    )
    return {
      snapshot: rows[0]?.snapshot_name ?? '',
      // As the target's position is written: newer servers print leading zeros.
      position: numberToLsn(lsnToNumber(rows[0]?.consistent_point ?? '0/0')),
      [Symbol.asyncDispose]: () => endSession(client),
    }
  } catch (error) {
    await endSession(client)
    throw error
  }
}

/** A slot waits for every transaction that writes. Better to wait for the long ones before anybody stands still. */
async function awaitShortTransactions(source: Client, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + LONG_PATIENCE_MS
  for (;;) {
    signal.throwIfAborted()
    const open = await openTransactions(source, LONG_MS)
    if (open.length === 0) return
    if (performance.now() > deadline) throw new NotAligned(inTheWay(open))
    await sleep(100)
  }
}

/** Transactions of the whole server that have written and are older than `milliseconds`, in words; prepared ones too. */
async function openTransactions(client: Client, milliseconds: number): Promise<string[]> {
  const { rows } = await client.query<{ name: string; application: string; seconds: string }>(
    `SELECT name, application, round(extract(epoch FROM clock_timestamp() - since))::text AS seconds
     FROM (
       SELECT 'pid ' || pid AS name, application_name AS application, xact_start AS since FROM pg_stat_activity
       WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
       UNION ALL
       SELECT 'prepared transaction ' || quote_literal(gid), 'of ' || owner, prepared FROM pg_prepared_xacts
     ) AS open
     WHERE clock_timestamp() - since > interval '${milliseconds} ms'
     ORDER BY since LIMIT 3`,
  )
  return rows.map(row => `${row.name} (${row.application || 'unnamed'}, ${row.seconds} s)`)
}

function inTheWay(open: readonly string[]): string {
  return `long transactions of the source's server are in the way: ${open.join(', ')}`
}

/** @returns when the target was seen to stand there. */
async function awaitPosition(target: Client, lsn: string, { key, timeoutMs, signal }: AlignOptions): Promise<number> {
  const started = performance.now()
  const deadline = started + timeoutMs
  for (;;) {
    signal.throwIfAborted()
    const now = performance.now()
    const position = (await readProgress(target, key))?.position?.lsn
    if (position === lsn) return now
    if (position === undefined || lsnToNumber(position) > lsnToNumber(lsn)) {
      throw new NotAligned(`the applier went past ${lsn}, to ${position}: is every sync process of this version?`)
    }
    if (now > deadline)
      throw new NotAligned(`the target did not reach ${lsn} within ${timeoutMs} ms; it is at ${position}`)
    await sleep(POLL_MS)
  }
}

/** The applier would have gone on if this session's lock had been lost. */
async function assertStandsAt(target: Client, lsn: string, { key }: AlignOptions): Promise<void> {
  const position = (await readProgress(target, key))?.position?.lsn
  if (position !== lsn) throw new NotAligned(`the applier went on to ${position} before the snapshot was taken`)
}
