import type { CopyIndexes, Triggers } from '@ficus/core/config/schema'
import type { SyncStatus } from '@ficus/core/ledger/records'
import type { ChangeSourceFactory } from '../change-source/change-source.ts'
import type { Endpoint } from '../database/session.ts'
import type { Direction, Sync } from '../mapping/flow.ts'

export interface PipelineOptions {
  readonly capability: string
  readonly direction: Direction
  /** The id of the ledger that asks for it. */
  readonly ledger: string
  /** Where changes come from: the monolith's database for forward. */
  readonly source: Endpoint
  readonly target: Endpoint
  readonly sync: Sync
  readonly engine: ChangeSourceFactory
  /** Rows in one applied transaction, about. */
  readonly batchRows: number
  readonly copyWorkers: number
  /** Whether the first copy makes the target's indexes after the rows, where it may; `after` unless given. */
  readonly copyIndexes?: CopyIndexes
  /** Whether the target's triggers and foreign keys act on what is written; `auto` unless given. */
  readonly triggers?: Triggers
  /** How many changes may be parked before a refused one stops the sync; 1,000 unless given. */
  readonly maxParked?: number
  /** Whether standbies of the source keep a copy of the slot, where they can; true unless given. */
  readonly failoverSlot?: boolean
  readonly onStatus?: (status: SyncStatus) => void
  /** Waits between attempts, ms: the first, doubled until the last. */
  readonly backoff?: { readonly first: number; readonly last: number }
  readonly heartbeatMs?: number
  /** How often the source's tables are looked at, ms. */
  readonly watchMs?: number
}
