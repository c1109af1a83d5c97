import { FicusError } from '@ficus/core/errors/ficus-error'
import type { BatchBuilder } from '../batch-builder.ts'
import { MARK } from '../marks.ts'
import { lsnToNumber, numberToLsn, type Position } from '../position.ts'
import type { DebeziumEvent, Placed, Row } from './event.ts'
import type { TableReader } from './table-reader.ts'

type RowEvent = Extract<DebeziumEvent, { kind: 'row' }>
type TableEvent = RowEvent | Extract<DebeziumEvent, { kind: 'truncate' }>

export interface AssemblerOptions {
  /** The connector's name, for messages. */
  readonly name: string
  /** Where to go on reading behind the transaction whose end was taken: the next offset of each partition. */
  readonly offsets: () => Record<string, string>
  readonly from: Position
  readonly ignoredOrigins: readonly string[]
  readonly builder: BatchBuilder
}

interface OpenTransaction {
  readonly id: string
  /** Events so far. */
  seen: number
  /** It came from the other side. */
  skipped: boolean
  /** A row whose key changes: its new form comes next. */
  oldRow: Row | null
  /** The builder has handed out some of it. */
  handedOut: boolean
}

/**
 * Turns events in the source's commit order into batches of whole transactions. Within one the events are counted:
 * one that a restarted connector wrote again is left out, one that is missing ends the sync.
 */
export class TransactionAssembler {
  readonly #options: AssemblerOptions
  /** Where the last transaction's commit ends. */
  #reached: bigint
  #open: OpenTransaction | null = null

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
        this.#begin(event.transaction)
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

  #begin(id: string): void {
    // A connector that was restarted in the middle of a transaction may begin it again.
    if (this.#open?.id === id) return
    if (this.#open !== null) throw this.#lost(`transaction ${this.#open.id} does not end before ${id} begins`)
    this.#open = { id, seen: 0, skipped: false, oldRow: null, handedOut: false }
    this.#options.builder.begin(Number(id))
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
    if (event.kind === 'truncate') this.#options.builder.add('truncate', reader.relation, null, -1, -1)
    else this.#addRow(open, event, reader)
  }

  #addRow(open: OpenTransaction, event: RowEvent, reader: TableReader): void {
    const { operation, keyChange, after } = event
    if (keyChange === 'old') {
      open.oldRow = event.before
      return
    }
    const before = keyChange === 'new' ? open.oldRow : event.before
    open.oldRow = null
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

  #end({ transaction, endLsn, time, events }: Extract<DebeziumEvent, { kind: 'end' }>): void {
    const { builder, offsets } = this.#options
    const open = this.#open
    if (open === null || open.id !== transaction)
      throw this.#lost(`transaction ${transaction} ends without a beginning`)
    if (open.seen !== events)
      throw this.#lost(`of ${events} events of transaction ${transaction} there are ${open.seen}`)
    this.#open = null
    // A connector that was registered anew begins where the slot stands, which may lie before what it sent last.
    if (endLsn <= this.#reached) {
      if (open.handedOut) throw this.#lost(`transaction ${transaction}, larger than a batch, came a second time`)
      builder.discardOpen()
      return
    }
    this.#reached = endLsn
    builder.commit({ lsn: numberToLsn(endLsn), offsets: offsets() }, time)
  }

  /** The open transaction, or null where `event` was taken before. */
  #next({ transaction, order }: Placed): OpenTransaction | null {
    const open = this.#open
    if (open === null || open.id !== transaction) {
      throw this.#lost(`an event of transaction ${transaction} stands outside of it`)
    }
    if (order <= open.seen) return null
    if (order > open.seen + 1)
      throw this.#lost(`events ${open.seen + 1} to ${order - 1} of transaction ${transaction} are missing`)
    open.seen = order
    return open
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
