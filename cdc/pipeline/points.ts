import { passPoint } from '@ficus/core/lifecycle/point'

/** The steps of sync between which a process may die, in the order in which they are passed. */
export const SYNC_POINTS = [
  /** The target is empty and noted as being copied to; there is no slot yet. */
  'copy.claimed',
  'copy.published',
  /** The slot is there and its snapshot exported; nothing was copied. */
  'copy.slot',
  /** The target's indexes are gone, and noted so that they can be made again. */
  'copy.indexes-dropped',
  /** A worker has copied one range of rows. */
  'copy.range',
  /** All rows are there; the position is not. */
  'copy.rows',
  /** The indexes are there again. */
  'copy.indexed',
  'copy.finished',
  /** Tables that the sync file has more than before are published; the target does not know of them. */
  'added.published',
  /** Some of their rows, or of those whose mapping changed, were read beside the stream and are committed. */
  'added.chunk',
  /** The stream has passed the point at which the last of these were read; that they are whole is not noted. */
  'added.read',
  /** A transaction of the target has begun, with the row lock of the position. */
  'apply.begun',
  /** Rows are merged; the position and the commit were not sent. */
  'apply.merged',
  /** The commit was sent, and its answer is not there. */
  'apply.committing',
  /** Committed, and the source was not told. */
  'apply.committed',
  /** The source was told, as far as it listens. */
  'apply.acknowledged',
  /** The slot is gone; rows and position are still there. */
  'drop.slot',
] as const

export type SyncPoint = (typeof SYNC_POINTS)[number]

/** `passPoint` with the names of sync. */
export function passSyncPoint(point: SyncPoint): void {
  passPoint(point)
}
