import type { TableName } from '@ficus/core/sql/identifier'
import type { Position } from './position.ts'

/** A column of a source table as the stream describes it. */
export interface RelationColumn {
  readonly name: string
  /** The type, in SQL, of a staging column that takes its values in the relation's format; known to every database. */
  readonly type: string
  /** The same with precision and scale, where they limit the source's column: `numeric(10,2)`. */
  readonly preciseType?: string | undefined
  /** Whether the old row of an update or delete holds it. */
  readonly identity: boolean
  /**
   * The engine cannot carry every value of the type, and leaves one out as if it was not sent, changed or not: whoever
   * needs it reads it back from the source.
   */
  readonly readBack?: true
}

/**
 * A source table's shape at one point of the stream. While the shape stays, it is one and the same object; when it
 * changes, the changes that follow refer to another.
 */
export interface Relation {
  readonly table: TableName
  readonly columns: readonly RelationColumn[]
  /** How values are written in its tuples. */
  readonly format: 'binary' | 'text'
}

/** One change of one row (or of all rows, for a truncate). Offsets point at tuples in the batch's `data`; -1 is none. */
export interface Change {
  readonly kind: 'insert' | 'update' | 'delete' | 'truncate'
  readonly relation: Relation
  /** The row before: its identity columns at least, where the key changed, for a delete, or with full identity. */
  readonly oldTuple: number
  /** The row after. */
  readonly newTuple: number
}

/**
 * Changes in commit order, applied in one transaction of the target. A batch ends at a commit, unless one transaction
 * of the source is larger than memory: then `position` is null and the transaction goes on in the next batch.
 */
export interface ChangeBatch {
  /** Tuples, in the layout of change-source/tuple.ts, until the batch is given back: then others may be there. */
  readonly data: Buffer
  /** May be empty: a mark or heartbeat moves the position alone. */
  readonly changes: readonly Change[]
  /** Where the target stands once this batch is applied. */
  readonly position: Position | null
  /** When the source committed the first and the last transaction of the batch, in the source's clock, ms since 1970. */
  readonly firstCommit: number | null
  readonly lastCommit: number | null
  /**
   * The source's ids of the transactions that the changes belong to, 32 bits each. They are committed, but for a moment
   * a query there may not see them yet.
   */
  readonly transactions: readonly number[]
  /** Where the batch's transactions end, in order; absent where the engine does not tell. */
  readonly commits?: readonly CommitEnd[]
  /** Where the commit of the transaction begins that goes on in the next batch, if the engine tells; see `position`. */
  readonly open?: bigint
  /**
   * Changes that are known not to come, though their transactions are whole: the rows of their tables are to be read anew beside
   * the stream, from before this batch is applied.
   */
  readonly lacking?: readonly Lacking[]
}

/** A change that does not come. */
export interface Lacking {
  readonly table: TableName
  /** Where its transaction ends in the source's log; null while that goes on in the next batch. */
  readonly lsn: string | null
}

/** Where one transaction of a batch ends. */
export interface CommitEnd {
  /** In the source's log. */
  readonly lsn: string
  /** How many of the batch's changes are committed by then. */
  readonly changes: number
}

/** What the engine received and has not handed out yet. */
export interface Backlog {
  readonly rows: number
  /** Commit time of the oldest of them, ms since 1970. */
  readonly oldestCommit: number | null
}

/**
 * Where row changes come from. Two engines, one stream: whoever reads cannot tell them apart. The slot and the
 * publication exist before `prepare` (change-source/slot.ts), and both engines go on from the slot's position.
 */
export interface ChangeSource {
  readonly engine: 'postgres' | 'debezium'

  /**
   * Makes ready what the engine needs beyond the slot, such as a connector. Called before every `read`, with the same
   * position; idempotent.
   * @throws FicusError
   */
  prepare(from: Position, signal: AbortSignal): Promise<void>

  /**
   * Called before more tables are published, and so before `prepare` is told of them: whatever reads the slot by itself stops,
   * so that nothing reads what it does not know.
   */
  beforePublishing?(from: Position): Promise<void>

  /**
   * The changes after `from`, as long as `signal` is not aborted. Nothing at or before `from` is delivered again.
   * The next batch is asked for when the last is applied, or in a backlog the one before; meanwhile the engine gathers ahead
   * within bounded memory.
   * An aborted signal ends it without an error. May be called again after it ended, with another position.
   * @throws FICUS_SLOT_LOST, FICUS_DATABASE_BUSY, FICUS_DATABASE_UNREACHABLE, FICUS_SOURCE_CHANGED, …
   */
  read(from: Position, signal: AbortSignal): AsyncIterable<ChangeBatch>

  /** The batch was applied: its memory may be used again. */
  giveBack(batch: ChangeBatch): void

  /** Tells the source that everything up to `position` is committed at the target. A hint: it may be sent later. */
  acknowledge(position: Position): void

  backlog(): Backlog

  /** Ends reading and closes connections; what `prepare` made stays. */
  stop(): Promise<void>

  /** Removes what `prepare` made, for the way back to legacy. The slot and the publication are not its business. */
  drop(): Promise<void>
}

/** What an engine is told of the work. */
export interface ChangeSourceOptions {
  readonly capability: string
  readonly direction: 'forward' | 'reverse'
  /** The database that changes come from, and how messages name it. */
  readonly source: { readonly url: string; readonly name: string }
  readonly slot: string
  readonly publication: string
  readonly tables: readonly TableName[]
  /** Which tables these were when the sync came up, by OID: one may be called something else by the time of `read`. */
  readonly tablesByOid?: () => ReadonlyMap<number, TableName>
  /** Which of a table's columns the mapping reads. Others need not be delivered. */
  readonly columnsRead: (table: TableName, columns: readonly string[]) => ReadonlySet<string>
  /** Rows in a batch, about. */
  readonly batchRows: number
  /** Changes that a session with one of these replication origins made are left out: they came from the other side. */
  readonly ignoredOrigins: readonly string[]
}

/** Makes an engine; the composition root chooses which. */
export type ChangeSourceFactory = (options: ChangeSourceOptions) => ChangeSource

/** The stream has to be opened anew from the stored position; nothing is wrong. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded'
}
