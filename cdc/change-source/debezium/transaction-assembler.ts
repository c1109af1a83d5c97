import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable, type TableName } from '@ficus/core/sql/identifier'
import type { BatchBuilder } from '../batch-builder.ts'
import { MARK } from '../marks.ts'
import { lsnToNumber, numberToLsn, type Position } from '../position.ts'
import type { DebeziumEvent, Row } from './event.ts'
import type { Producer, ProducerRuns } from './producer-runs.ts'
import type { TableReader } from './table-reader.ts'
import { type PlacedEvent, TakenEvents } from './taken-events.ts'

type RowEvent = Extract<DebeziumEvent, { kind: 'row' }>
type TableEvent = RowEvent | Extract<DebeziumEvent, { kind: 'truncate' }>

export interface AssemblerOptions {
  /** The connector's name, for messages. */
  readonly name: string
  /** Where to go on reading behind the transaction whose end was taken: the next offset of each partition. */
  readonly offsets: () => Record<string, string>
  readonly from: Position
  readonly ignoredOrigins: readonly string[]
  /** The tables that are read. */
  readonly tables: readonly TableName[]
  readonly producers: ProducerRuns
  readonly builder: BatchBuilder
}

interface OpenTransaction {
  readonly id: string
  /** Where its first change stands in the source's log, as its begin tells. */
  readonly beginLsn: bigint | null
  readonly taken: TakenEvents
  /** Tables of which several rows stand at one place: by a COPY. */
  readonly copied: Set<TableName>
  truncates: boolean
  /** Behind one of their events, which stands alone, the connector was restarted; see `#noteRestart`. */
  readonly cut: Cut[]
  /** What stands behind its latest begin, which numbers its events from 1. */
  run: Run
  /** It came from the other side. */
  skipped: boolean
  /** A row whose key changes: its new form comes next. */
  old: { readonly row: Row; readonly reader: TableReader } | null
  /** It follows the last commit that was taken, so it cannot have been taken before. */
  isNew: boolean
  /** The builder has handed out some of it. */
  handedOut: boolean
}

interface Cut {
  readonly alone: TableEvent
  /** Who wrote what comes next. */
  readonly next: Producer | undefined
}

interface Run {
  /** It is not the transaction's first. */
  readonly isAnother: boolean
  /** Its events until now. */
  count: number
  /** How many of them were taken before. */
  again: number
  /** It began before the last place that was taken. */
  goesBack: boolean
}

/**
 * Turns events in the source's commit order into batches of whole transactions. Within one the events are counted:
 * one that a restarted connector wrote again is left out, one that is missing ends the sync.
 *
 * A connector that was restarted within a transaction does one of three things (Debezium 3.7.0, seen): it goes on counting;
 * or begins the transaction again and counts from 1, but writes only what it had not written; or, where it was registered
 * anew, writes all of it again. What was taken before is known by its place in the log. Before it, earlier transactions may
 * come again, with or without their events.
 *
 * What the connector passed over is told by places in the log: the first event of a transaction says where the commit before
 * it ended (`source.sequence`), and its begin where its first change stands.
 */
export class TransactionAssembler {
  readonly #options: AssemblerOptions
  /** Where the last transaction's commit ends. */
  #reached: bigint
  #open: OpenTransaction | null = null
  /** An earlier transaction that comes again while one is open. */
  #repeated: string | null = null

  constructor(options: AssemblerOptions) {
    this.#options = options
    this.#reached = lsnToNumber(options.from.lsn)
  }

  /**
   * @param reader of the event's table, in the event's shape; null for a table that is not read.
   * @throws FICUS_SLOT_LOST where the topic does not hold a transaction whole.
   */
  take(event: DebeziumEvent, reader: TableReader | null): void {
    switch (event.kind) {
      case 'begin':
        this.#begin(event.transaction, event.lsn)
        break
      case 'end':
        this.#end(event)
        break
      case 'row':
      case 'truncate':
        this.#change(event, reader)
        break
      case 'message':
        this.#message(event)
        break
      case 'other':
    }
  }

  /** Tells that the open transaction does not fit into one batch. */
  handedOut(): void {
    if (this.#open !== null) this.#open.handedOut = true
  }

  #begin(id: string, beginLsn: bigint | null): void {
    if (this.#open === null) {
      const none = { truncates: false, skipped: false, old: null, isNew: false, handedOut: false }
      this.#open = { id, beginLsn, taken: new TakenEvents(), copied: new Set(), cut: [], run: newRun(false), ...none }
      this.#options.builder.begin(Number(id))
      return
    }
    // Whether another one is an earlier one its end says.
    const isOpen = this.#open.id === id
    this.#repeated = isOpen ? null : id
    if (isOpen) this.#open.run = newRun(true)
  }

  #message(event: Extract<DebeziumEvent, { kind: 'message' }>): void {
    const open = this.#next(event)
    if (open !== null && event.prefix === MARK.ORIGIN && this.#isIgnored(event.content)) open.skipped = true
  }

  #change(event: TableEvent, reader: TableReader | null): void {
    const open = this.#next(event)
    if (open === null) return
    if (this.#isIgnored(event.origin)) open.skipped = true
    if (open.skipped || reader === null) return
    if (event.kind === 'truncate') {
      open.truncates = true
      this.#options.builder.add('truncate', reader.relation, null, -1, -1)
      return
    }
    if (isInsert(event) && open.taken.alone === null) open.copied.add(reader.relation.table)
    this.#addRow(open, event, reader)
  }

  #addRow(open: OpenTransaction, event: RowEvent, reader: TableReader): void {
    const { operation, keyChange, after } = event
    if (keyChange !== 'new') this.#endHalf(open)
    if (keyChange === 'old') {
      open.old = event.before === null ? null : { row: event.before, reader }
      return
    }
    const before = keyChange === 'new' ? (open.old?.row ?? null) : event.before
    open.old = null
    if (keyChange === 'new' && before === null) throw this.#lost(`transaction ${open.id} lacks a changed row's old key`)
    const kind = keyChange === 'new' ? 'update' : operation
    const oldTuple = before === null ? NOTHING : reader.oldTuple(before)
    const newTuple = after === null ? NOTHING : reader.newTuple(after)
    this.#options.builder.add(
      kind,
      reader.relation,
      oldTuple.length === 0 ? newTuple : Buffer.concat([oldTuple, newTuple]),
      before === null ? -1 : 0,
      after === null ? -1 : oldTuple.length,
    )
  }

  /**
   * A connector that was restarted between the two events of a changed key never writes the second: they share a place in the
   * log (Debezium 3.7.0, seen). Then the row is gone from its old key, and its table has to be read anew for the rest.
   */
  #endHalf(open: OpenTransaction): void {
    if (open.old === null) return
    const { row, reader } = open.old
    open.old = null
    this.#options.builder.add('delete', reader.relation, reader.oldTuple(row), 0, -1)
    this.#options.builder.lacks(reader.relation.table)
  }

  #end({ transaction, endLsn, time, events, producer }: Extract<DebeziumEvent, { kind: 'end' }>): void {
    const { builder, offsets } = this.#options
    const open = this.#open
    if (open !== null && this.#repeated === transaction) {
      if (endLsn > this.#reached) throw this.#lost(`transaction ${open.id} does not end before ${transaction}`)
      this.#repeated = null
      return
    }
    if (open === null || open.id !== transaction)
      throw this.#lost(`transaction ${transaction} ends without a beginning`)
    if (open.run.count !== events)
      throw this.#lost(`of ${events} events of transaction ${transaction} there are ${open.run.count}`)
    this.#assertAllCameAgain(open)
    this.#endHalf(open)
    this.#noteRestart(open, null, producer)
    for (const table of this.#leftOut(open)) builder.lacks(table)
    this.#open = null
    // A connector that was registered anew begins where the slot stands, which may lie before what it sent last.
    if (endLsn <= this.#reached) {
      if (open.handedOut) throw this.#lost(`transaction ${transaction}, larger than a batch, came a second time`)
      if (open.isNew) throw this.#lost(`transaction ${transaction} ends at ${numberToLsn(endLsn)}, before it begins`)
      builder.discardOpen()
      return
    }
    if (open.taken.count === 0) this.#assertNonePassedOver(open, endLsn)
    this.#reached = endLsn
    builder.commit({ lsn: numberToLsn(endLsn), offsets: offsets() }, time)
  }

  /** The open transaction, or null where `event` was taken before. */
  #next(event: PlacedEvent): OpenTransaction | null {
    const { transaction, order, lsn, previousCommit } = event
    const open = this.#open
    if (open !== null && this.#repeated === transaction) return null
    if (open === null || open.id !== transaction) {
      throw this.#lost(`an event of transaction ${transaction} stands outside of it`)
    }
    const { run, taken } = open
    if (order > run.count + 1)
      throw this.#lost(`events ${run.count + 1} to ${order - 1} of transaction ${transaction} are missing`)
    if (order <= run.count) {
      if (taken.has(event)) return null
      throw this.#lost(`event ${order} of transaction ${transaction} stands at two places`)
    }
    run.count = order
    if (run.isAnother) {
      if (order === 1) run.goesBack = lsn < taken.last
      if (taken.has(event)) {
        run.again += 1
        return null
      }
      this.#assertAllCameAgain(open)
    }
    if (taken.count === 0) {
      this.#follow(open, previousCommit)
      this.#assertNonePassedOver(open, lsn)
    }
    this.#noteRestart(open, lsn, event.producer)
    taken.take(event)
    return open
  }

  /** @param lsn where the next event stands, and who wrote that; null for the transaction's end. */
  #noteRestart(
    { taken: { alone }, cut, skipped }: OpenTransaction,
    lsn: bigint | null,
    by: Producer | undefined,
  ): void {
    if (alone === null || alone.kind === 'message' || alone.lsn === lsn || skipped) return
    if (this.#options.producers.isAnother(alone.producer, by)) cut.push({ alone, next: by })
  }

  /**
   * A connector that was restarted when it had written exactly one of several events that share a place leaves the others out,
   * and counts on (Debezium 3.7.0, seen): rows of one COPY, tables of one TRUNCATE. Whether there were any nothing tells, so
   * these tables are read anew. Other inserted rows never share a place.
   */
  #leftOut({ run, cut, copied, truncates }: OpenTransaction): readonly TableName[] {
    // By now more may be known of how long an epoch lasts.
    const restarted = cut.filter(({ alone, next }) => this.#options.producers.isAnother(alone.producer, next))
    // Who wrote what is no longer seen of a transaction that was begun more than once.
    const isCut = (behind: (event: TableEvent) => boolean) =>
      run.isAnother || restarted.some(({ alone }) => behind(alone))
    if (truncates && isCut(({ kind }) => kind === 'truncate')) return this.#options.tables
    return [...copied].filter(table => isCut(event => isInsert(event) && showTable(event.table) === showTable(table)))
  }

  /** What is written again from the start holds all that was taken, or else something stands where nothing was. */
  #assertAllCameAgain({ id, run, taken }: OpenTransaction): void {
    if (run.goesBack && run.again !== taken.count)
      throw this.#lost(`of ${taken.count} events of transaction ${id} ${run.again} came a second time`)
    run.goesBack = false
  }

  /**
   * A connector that was restarted right behind a begin passes over the changes of that transaction which stand before the
   * last commit of another, and counts what is left (Debezium 3.7.0, seen).
   * @param lsn where its first event stands, or where it ends without any.
   */
  #assertNonePassedOver({ id, beginLsn }: OpenTransaction, lsn: bigint): void {
    if (beginLsn === null || beginLsn >= this.#reached || lsn < this.#reached) return
    const [begin, first] = [beginLsn, lsn].map(numberToLsn)
    throw this.#lost(`transaction ${id} begins at ${begin}, and what came of it first stands at ${first}`)
  }

  /** A connector that was registered anew knows of no commit before its first. */
  #follow(open: OpenTransaction, previousCommit: bigint | null): void {
    open.isNew = previousCommit === this.#reached
    if (previousCommit === null || previousCommit <= this.#reached) return
    const [before, last] = [previousCommit, this.#reached].map(numberToLsn)
    throw this.#lost(
      `transaction ${open.id} follows a commit that ended at ${before}, and the last one here at ${last}`,
    )
  }

  #isIgnored(origin: string | null): boolean {
    return origin !== null && this.#options.ignoredOrigins.includes(origin)
  }

  #lost(why: string): FicusError {
    return new FicusError(
      'FICUS_SLOT_LOST',
      `what connector ${this.#options.name} wrote is not all that was committed: ${why}`,
    )
  }
}

const NOTHING = Buffer.alloc(0)

/** Not one half of a changed key. */
function isInsert(event: TableEvent): boolean {
  return event.kind === 'row' && event.operation === 'insert' && event.keyChange === null
}

function newRun(isAnother: boolean): Run {
  return { isAnother, count: 0, again: 0, goesBack: false }
}
