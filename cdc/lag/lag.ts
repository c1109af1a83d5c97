import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { type Progress, type ProgressKey, readProgress } from '../apply/progress.ts'
import { MARK } from '../change-source/marks.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import type { Direction } from '../mapping/flow.ts'

/** How far a target is behind its source, seen from outside the sync process. */
export interface Lag {
  /** False before the first copy is whole. */
  readonly streaming: boolean
  /** Write-ahead log between the target's position and the source's end. Holds other tables' writes too. */
  readonly bytes: number
  /**
   * Age of the newest commit that the target has, by the source's clock; 0 where nothing was written since. While sync
   * runs, heartbeats keep it near a second at most even if nobody writes; when sync is down it grows.
   */
  readonly seconds: number
  /** Rows of this sync that `bytes` may hold, by what the log held since the stream began. */
  readonly rows: number
}

/** A sync whose lag or progress is asked for. */
export interface LagOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly capability: string
  readonly direction: Direction
}

/**
 * Measures how far the target is behind. Reads both databases; needs no running sync process.
 * @throws FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function measureLag(options: LagOptions): Promise<Lag> {
  const progress = await withSession(options.target, client => readProgress(client, options))
  if (progress?.position == null) return { streaming: false, bytes: 0, seconds: 0, rows: 0 }
  const { sourceCommit, position, began, appliedRows } = progress
  return withSession(options.source, async client => {
    const { rows } = await client.query<{ lsn: string; now: Date }>(
      'SELECT pg_current_wal_lsn()::text AS lsn, clock_timestamp() AS now',
    )
    const [end] = rows
    const bytes = end === undefined ? 0 : logBetween(position.lsn, end.lsn)
    if (end === undefined || bytes <= 0) return { streaming: true, bytes: 0, seconds: 0, rows: 0 }
    const seconds = sourceCommit === null ? 0 : Math.max(0, (end.now.getTime() - sourceCommit.getTime()) / 1000)
    const passed = began === null ? 0 : logBetween(began.lsn, position.lsn)
    return { streaming: true, bytes, seconds, rows: passed === 0 ? 0 : Math.floor((bytes * appliedRows) / passed) }
  })
}

function logBetween(from: string, to: string): number {
  return Number(lsnToNumber(to) - lsnToNumber(from))
}

/** What was waited for and how long it took. */
export interface CaughtUp {
  /** Everything committed at the source before this position is at the target. */
  readonly lsn: string
  readonly milliseconds: number
}

/** How often the target is asked; a batch takes a few milliseconds. */
const POLL_MS = 10

/**
 * Writes a mark into the source's log and waits until the target has passed it: everything committed at the source
 * before the call is then at the target. Works with either engine, and while writes go on.
 * @throws FICUS_DATABASE_UNREACHABLE; FICUS_DATA_DIFFERS after `timeoutMs`, with how far it came.
 */
export async function waitUntilCaughtUp(
  options: LagOptions & { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<CaughtUp> {
  return withSession(options.source, source =>
    withSession(options.target, target => passWaypoint(source, target, options)),
  )
}

/** The same with sessions that are open already. */
export async function passWaypoint(
  source: Client,
  target: Client,
  options: ProgressKey & { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<CaughtUp> {
  const started = performance.now()
  const lsn = await emitMark(source, MARK.WAYPOINT)
  for (;;) {
    options.signal?.throwIfAborted()
    const progress = await readProgress(target, options)
    const milliseconds = performance.now() - started
    if (hasPassed(progress, lsn)) return { lsn, milliseconds }
    if (milliseconds > options.timeoutMs) throw notCaughtUp(options, lsn, progress)
    await sleep(POLL_MS)
  }
}

/** Writes a logical message into the source's log. @returns where; its transaction's commit lies behind it. */
export async function emitMark(source: Client, prefix: string): Promise<string> {
  const { rows } = await source.query<{ lsn: string }>(`SELECT pg_logical_emit_message(true, $1, '')::text AS lsn`, [
    prefix,
  ])
  return rows[0]?.lsn ?? '0/0'
}

function hasPassed(progress: Progress | null, lsn: string): boolean {
  return progress?.position != null && lsnToNumber(progress.position.lsn) >= lsnToNumber(lsn)
}

function notCaughtUp(key: ProgressKey & { timeoutMs: number }, lsn: string, progress: Progress | null): FicusError {
  const at =
    progress?.position?.lsn ??
    (progress === null ? 'nothing (no sync was started)' : 'nothing (the first copy is under way)')
  return new FicusError(
    'FICUS_DATA_DIFFERS',
    `the ${key.direction} sync of ${key.capability} did not reach ${lsn} within ${key.timeoutMs} ms; the target stands at ${at}`,
    { remedy: 'Look at `ficus status`: is sync running, has it stopped with an error, or is it far behind?' },
  )
}
