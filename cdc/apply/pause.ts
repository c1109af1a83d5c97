import pg, { type Client } from 'pg'
import type { ChangeBatch } from '../change-source/change-source.ts'
import { lsnToNumber, numberToLsn } from '../change-source/position.ts'
import { type ProgressKey, progressRow } from './progress.ts'

/**
 * A comparison may ask the applier to stand still at one position of the source (`ficus.progress.pause_at`) while it
 * takes a snapshot of the target. It holds a lock all the while: a request whose lock is gone is void, so that one who
 * died never blocks sync.
 */
export function pauseLock(key: ProgressKey): string {
  return `hashtext('ficus verify'), hashtext(${pg.escapeLiteral(`${key.capability} ${key.direction}`)})`
}

/** The parts of a batch up to a position and behind it. */
export interface CutBatch {
  readonly before: ChangeBatch
  readonly after: ChangeBatch | null
}

/**
 * Cuts a batch at a position of the source: the first part brings the target to exactly there, even where no
 * transaction ends there. A batch that does not tell where its transactions end is left whole.
 */
export function cutBatch(batch: ChangeBatch, at: bigint): CutBatch {
  const { position, commits, open, data, transactions } = batch
  const part = { data, transactions, firstCommit: null, lastCommit: null, position: { lsn: numberToLsn(at) } }
  if (position === null) {
    // The commit of the open transaction begins at `open`; it ends behind that.
    if (open === undefined || open < at) return { before: batch, after: null }
    return { before: { ...part, changes: [] }, after: batch }
  }
  if (commits === undefined || lsnToNumber(position.lsn) <= at) return { before: batch, after: null }
  const first = commits.findIndex(({ lsn }) => lsnToNumber(lsn) > at)
  const changes = first <= 0 ? 0 : (commits[first - 1]?.changes ?? 0)
  return {
    before: { ...part, changes: batch.changes.slice(0, changes) },
    after: {
      ...batch,
      changes: batch.changes.slice(changes),
      commits: commits.slice(first).map(commit => ({ ...commit, changes: commit.changes - changes })),
    },
  }
}

/**
 * Whether a request to stand still counts: whoever made it lives. One that is void is removed. In the transaction that
 * holds the row lock.
 */
export async function isPauseHeld(client: Client, key: ProgressKey): Promise<boolean> {
  const { rows } = await client.query<{ gone: boolean }>(`SELECT pg_try_advisory_xact_lock(${pauseLock(key)}) AS gone`)
  if (rows[0]?.gone !== true) return true
  await client.query(clearPause(key))
  return false
}

export function setPause(key: ProgressKey, lsn: string): string {
  return `UPDATE ficus.progress SET pause_at = ${pg.escapeLiteral(lsn)} WHERE ${progressRow(key)}`
}

export function clearPause(key: ProgressKey): string {
  return `UPDATE ficus.progress SET pause_at = NULL WHERE ${progressRow(key)}`
}
