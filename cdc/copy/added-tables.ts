import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { ProgressKey } from '../apply/progress.ts'
import type { ChangeBatch, Relation } from '../change-source/change-source.ts'
import { lsnToNumber, type Position } from '../change-source/position.ts'
import { isRewritten } from '../database/rewritten.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'
import type { Flow } from '../mapping/flow.ts'
import { isMirror } from '../mirror/mirror-plan.ts'
import { passSyncPoint } from '../pipeline/points.ts'
import type { CopyProgress, ShapedFlow } from './first-copy.ts'
import { type FlowNote, noteReading, noteWhole } from './flow-notes.ts'
import { canSweep, readGone } from './gone-rows.ts'
import { type RowChunk, readChunk } from './row-chunk.ts'
import { readSnapshot, Unsettled } from './visibility.ts'

/** A flow of which rows are read beside the stream, and how far that is. */
export interface ReadFlow extends ShapedFlow {
  readonly note: FlowNote
}

/** Takes rows that were read beside the stream (apply/applier.ts). */
export interface RowTaker {
  /**
   * Writes the rows and runs `note` in one transaction; the position stays.
   * @param mirrors whether they are for mirrors too, and so for what is computed from these.
   */
  applyBeside(batch: ChangeBatch, note: string, mirrors: boolean): Promise<void>
  /** From now on, inserts into these source tables may meet rows that are there. */
  expectRows(tables: ReadonlySet<string>): void
}

export interface AddedTablesOptions {
  readonly source: Endpoint
  readonly target: Client
  readonly key: ProgressKey
  /** In the order in which inserts suit the target's foreign keys. */
  readonly flows: readonly ReadFlow[]
  /** All flows that the applier knows. */
  readonly carried: readonly Flow[]
  readonly chunkRows: number
  /** Tries again what the target refused of a source table (`schema.table`), now that all its rows are there. */
  readonly retryParked: (table: string) => Promise<void>
  /** Gets null once all tables are whole. */
  readonly onProgress: (progress: CopyProgress | null) => void
}

/** How long a chunk waits for transactions to become visible before the stream goes on. */
const PAUSE_MS = 10

/**
 * Reads whole source tables beside the running stream, in chunks by key: tables that were added to the mapping, and
 * those whose mapping changed. A chunk is read in a new snapshot and merged between two batches. It holds rows at least
 * as new as all that was applied, for a snapshot that does not see every decoded transaction is not used; what the stream
 * brings of those rows later are upserts and deletions, so in the end each row is as the stream left it. A table is
 * whole once the stream has passed the point at which its last chunk was read. Where rows may be gone that no change told of,
 * the target's keys are then looked for in the source in the same way.
 *
 * Between chunks and an older stream the target holds rows of different moments, which may not get on with one another:
 * two that swapped a unique value, a child before its parent. What is refused then is parked, and tried again at the end.
 */
export class AddedTables {
  readonly #options: AddedTablesOptions
  readonly #unsettled = new Unsettled()
  readonly #relations = new Map<string, Relation>()
  #flows: ReadFlow[]
  #client: Client | undefined
  /** A table could not be read as the catalog has it now; the stream may come to that change yet. */
  #misfit: { readonly lsn: bigint; readonly error: unknown } | undefined

  constructor(options: AddedTablesOptions) {
    this.#options = options
    // Other tables or types may have come since it was noted: then they tell no more which rows are gone.
    const { carried } = options
    this.#flows = options.flows.map(read => (canSweep(read, carried) ? read : withoutSweep(read)))
  }

  /** Whether anything is left to do. */
  get pending(): boolean {
    return this.#flows.length > 0
  }

  /** How far the tables are that are not whole; null where all are. */
  get progress(): CopyProgress | null {
    if (!this.pending) return null
    const copiedRows = this.#flows.reduce((sum, { note }) => sum + note.rows, 0)
    const estimatedRows = this.#flows.reduce(
      (sum, { note, source }) => sum + Math.max(note.rows, source.estimatedRows),
      0,
    )
    return { copiedRows, estimatedRows }
  }

  /** How many transactions the next chunk has to see beside those that the last one saw; 0 where none is to come. */
  get awaited(): number {
    return this.#unsettled.count
  }

  /** The stream has brought a batch, which is about to be applied. */
  received({ transactions }: Pick<ChangeBatch, 'transactions'>): void {
    if (!this.#waitsForRows) return
    for (const xid of transactions) this.#unsettled.decoded(xid)
  }

  /**
   * Begins, after the tables were published and whatever reads the slot knows of them: what is under way now may have
   * written to them unnoticed, so every chunk waits until it sees it.
   */
  async begin(taker: RowTaker): Promise<void> {
    if (!this.pending) return
    this.#client = await openSession(this.#options.source)
    const { rows } = await this.#client.query<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot')
    this.#unsettled.begin(readSnapshot(rows[0]?.snapshot ?? ''))
    this.#expectRows(taker)
  }

  /** Does one step: reads and writes a chunk, or finds that a table is whole. @param position where the target stands. */
  async step(taker: RowTaker, position: Position): Promise<void> {
    const reached = lsnToNumber(position.lsn)
    const next = this.#flows.find(({ note }) => note.until === null && reached >= lsnToNumber(note.since ?? '0/0'))
    if (next !== undefined) return this.#readNext(taker, next, reached)
    for (const flow of this.#flows) {
      if (flow.note.until === null || reached < lsnToNumber(flow.note.until)) continue
      await this.#options.retryParked(showTable(flow.flow.from))
      passSyncPoint('added.read')
      await noteWhole(this.#options.target, this.#options.key, flow.flow)
      this.#flows = this.#flows.filter(other => other !== flow)
    }
    this.#expectRows(taker)
    if (this.pending) await sleep(PAUSE_MS)
  }

  async close(): Promise<void> {
    await endSession(this.#client)
  }

  /** Whether another chunk will be read: once all were, only the stream has to come there. */
  get #waitsForRows(): boolean {
    return this.#flows.some(({ note }) => note.until === null)
  }

  async #readNext(taker: RowTaker, flow: ReadFlow, reached: bigint): Promise<void> {
    const client = this.#client
    if (client === undefined) throw new TypeError('begin comes before step')
    const { key, chunkRows } = this.#options
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    try {
      const { rows } = await client.query<{ snapshot: string; lsn: string }>(
        'SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn()::text AS lsn',
      )
      const [seen] = rows
      if (seen === undefined || !this.#unsettled.settledIn(readSnapshot(seen.snapshot))) {
        await sleep(PAUSE_MS)
        return
      }
      const chunk = await this.#read(client, flow, chunkRows, seen.lsn, reached)
      // Rows that look gone were not: the next snapshot sees them.
      if (chunk === null || (await isRewritten(client, [flow.flow.from]))) return
      const next = noteAfter(flow.note, chunk, seen.lsn)
      await taker.applyBeside(chunk.batch, noteReading(key, flow.flow, next), isMirror(flow.flow))
      passSyncPoint('added.chunk')
      this.#flows = this.#flows.map(other => (other === flow ? { ...flow, note: next } : other))
      this.#tell()
    } finally {
      await client.query('ROLLBACK').catch(() => {})
    }
  }

  /** Null while the table cannot be read, and the stream has not come to what changed it. */
  async #read(client: Client, read: ReadFlow, rows: number, lsn: string, reached: bigint) {
    const { flow, note } = read
    const { carried, target } = this.#options
    const same = (relation: Relation) => this.#same(relation, isMirror(flow))
    try {
      const chunk = await (note.sweep === 'now'
        ? readGone({ source: client, target }, read, carried, note.after, rows, same)
        : readChunk(client, flow, carried, note.after, rows, same))
      this.#misfit = undefined
      return chunk
    } catch (error) {
      // Class 42: the table is not what the mapping says. That may be an ALTER TABLE that the stream has yet to pass.
      if (systemCodeOf(error)?.startsWith('42') !== true) throw error
      this.#misfit ??= { lsn: lsnToNumber(lsn), error }
      if (reached >= this.#misfit.lsn) {
        throw new FicusError(
          'FICUS_SOURCE_CHANGED',
          `${showTable(flow.from)} has changed and the mapping does not fit it any more: ${messageOf(error)}`,
          { cause: error },
        )
      }
      await sleep(PAUSE_MS)
      return null
    }
  }

  /** One shape is one object, so that its staging table is made once; a second one where rows are for mirrors too. */
  #same(relation: Relation, mirrors: boolean): Relation {
    const shape = JSON.stringify([relation, mirrors])
    const known = this.#relations.get(shape) ?? relation
    this.#relations.set(shape, known)
    return known
  }

  #expectRows(taker: RowTaker): void {
    taker.expectRows(new Set(this.#flows.map(({ flow }) => showTable(flow.from))))
    this.#tell()
  }

  #tell(): void {
    this.#options.onProgress(this.progress)
  }
}

function withoutSweep(read: ReadFlow): ReadFlow {
  return { ...read, note: { ...read.note, sweep: null } }
}

/** What is noted with a chunk. @param lsn where the source's log was when it was read. */
function noteAfter(note: FlowNote, { batch, last, whole }: RowChunk, lsn: string): FlowNote {
  const rows = note.sweep === 'now' ? note.rows : note.rows + batch.changes.length
  if (!whole) return { ...note, after: last ?? note.after, rows }
  if (note.sweep === 'later') return { ...note, sweep: 'now', after: null, rows }
  return { ...note, sweep: null, after: last ?? note.after, until: lsn, rows }
}
