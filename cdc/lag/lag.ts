import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { type Progress, type ProgressKey, readProgress } from '../apply/progress.ts'
import { MARK } from '../change-source/marks.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { type Endpoint, withSession } from '../database/session.ts'

/** The sync that is waited for. */
export interface CaughtUpOptions extends ProgressKey {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly timeoutMs: number
  readonly signal?: AbortSignal
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
 * @throws FICUS_DATABASE_UNREACHABLE; FICUS_SYNC_BEHIND after `timeoutMs`, with how far it came.
 */
export async function waitUntilCaughtUp(options: CaughtUpOptions): Promise<CaughtUp> {
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
    'FICUS_SYNC_BEHIND',
    `the ${key.direction} sync of ${key.capability} did not reach ${lsn} within ${key.timeoutMs} ms; the target stands at ${at}`,
    { remedy: 'Look at `ficus status`: is sync running, has it stopped with an error, or is it far behind?' },
  )
}
