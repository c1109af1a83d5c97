import { FicusError } from '@ficus/core/errors/ficus-error'
import type { CommitOrder } from './commit-order.ts'
import type { DebeziumEvent, Placed } from './event.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface MergerOptions {
  /** The only partition of the topic with the begins and ends of transactions. */
  readonly boundaries: PartitionQueue
  /** All partitions of the tables' topics and of the messages'. */
  readonly partitions: readonly PartitionQueue[]
  /** Where the commit of the last transaction that the target has ends. */
  readonly reached: bigint
}

interface OpenTransaction {
  readonly end: Extract<DebeziumEvent, { kind: 'end' }>
  /** Events taken so far: the next one's `total_order` is one more. */
  taken: number
  /** Where the first of them stands in the source's log. */
  firstLsn: bigint | null
}

/** An event that belongs to a place in a transaction. */
type PlacedEvent = Extract<DebeziumEvent, Placed>

/** So many transactions are remembered, to know again what a restarted connector wrote twice. */
const REMEMBERED = 1_000

/**
 * Puts transactions together again whose events lie in many partitions. The ends in the transactions' topic, whose one
 * partition keeps their order, say which transaction comes next and how many events it has; `total_order` numbers them.
 * One task writes all partitions in commit order, so that each holds a transaction's events together and in order, and
 * it is enough to look at the oldest event of each: a merge, which holds no transaction whole however large it is.
 *
 * What a connector wrote again after it was registered anew is known by `source.sequence`: the end of the commit before
 * the event's transaction, which for a new one lies nowhere before the last commit that was taken.
 */
export class TransactionMerger implements CommitOrder {
  readonly #boundaries: PartitionQueue
  readonly #partitions: readonly PartitionQueue[]
  #reached: bigint
  #open: OpenTransaction | null = null
  /** Where the transactions begin whose ends are yet to come. */
  readonly #begins = new Map<string, bigint | null>()
  /** Transactions that were taken or are left out, by their ids, with where their first event stands; the oldest first. */
  readonly #done = new Map<string, bigint | null>()
  /** Where the last event was found: most often the next one is there too. */
  #latest: PartitionQueue | undefined

  constructor({ boundaries, partitions, reached }: MergerOptions) {
    this.#boundaries = boundaries
    this.#partitions = partitions
    this.#reached = reached
  }

  next(): DebeziumEvent | null {
    if (this.#open === null) return this.#begin()
    const { end, taken, firstLsn } = this.#open
    if (taken < end.events) return this.#event(this.#open)
    this.#open = null
    this.#reached = end.endLsn
    this.#remember(end.transaction, firstLsn)
    return end
  }

  offsets(): Record<string, string> {
    const all = [this.#boundaries, ...this.#partitions]
    return Object.fromEntries(all.map(queue => [queue.partition, String(queue.next)]))
  }

  waitsFor(): string | null {
    if (this.#open === null) return null
    const { end, taken } = this.#open
    return `event ${taken + 1} of ${end.events} of transaction ${end.transaction}`
  }

  /** Looks for the next end, and takes what stands before it: begins, heartbeats, ends of what the target has. */
  #begin(): DebeziumEvent | null {
    for (;;) {
      const event = this.#boundaries.head()
      if (event === null) return null
      this.#boundaries.shift()
      if (event.kind === 'begin' && !this.#begins.has(event.transaction)) this.#begins.set(event.transaction, event.lsn)
      if (event.kind !== 'end') continue
      const lsn = this.#begins.get(event.transaction) ?? null
      this.#begins.delete(event.transaction)
      if (event.endLsn <= this.#reached) {
        this.#remember(event.transaction, null)
        continue
      }
      // A transaction's number comes again after four thousand million others.
      this.#done.delete(event.transaction)
      this.#open = { end: event, taken: 0, firstLsn: null }
      return { kind: 'begin', transaction: event.transaction, lsn }
    }
  }

  #event(open: OpenTransaction): DebeziumEvent | null {
    const found = this.#find(open)
    if (found === null) return null
    this.#latest = found.queue
    found.queue.shift()
    open.taken += 1
    open.firstLsn ??= found.event.lsn
    return found.event
  }

  #find(open: OpenTransaction): { queue: PartitionQueue; event: PlacedEvent } | null {
    const latest = this.#latest === undefined ? null : this.#nextOf(this.#latest, open)
    if (latest !== null && this.#latest !== undefined) return { queue: this.#latest, event: latest }
    let mayCome = false
    for (const queue of this.#partitions) {
      const event = this.#nextOf(queue, open)
      if (event !== null) return { queue, event }
      mayCome ||= queue.head() === null || this.#isUnknown(queue.head(), open)
    }
    if (mayCome) return null
    throw new FicusError(
      'FICUS_SLOT_LOST',
      `the topics do not hold all that was committed: ${this.waitsFor()} is missing`,
    )
  }

  /** The queue's oldest event if it is the one wanted. Takes what was written twice off the queue. */
  #nextOf(queue: PartitionQueue, { end, taken, firstLsn }: OpenTransaction): PlacedEvent | null {
    for (;;) {
      const event = queue.head()
      if (event === null) return null
      if (!('order' in event)) {
        queue.shift()
        continue
      }
      const ours = event.transaction === end.transaction
      if (ours && event.order === taken + 1) return event
      const writtenTwice = ours ? event.order <= taken : this.#isStale(event, queue, end.transaction)
      if (!writtenTwice) return null
      this.#assertWrittenTwice(event, ours ? firstLsn : (this.#done.get(event.transaction) ?? null))
      queue.shift()
    }
  }

  /**
   * A connector that was restarted within a transaction may begin it again and count from 1 (Debezium 3.7.0, seen): its events
   * are then new ones, of which the end's count says nothing.
   * @param firstLsn where the transaction's first event stands; null where the target had it before.
   */
  #assertWrittenTwice({ transaction, order, lsn }: PlacedEvent, firstLsn: bigint | null): void {
    if (order !== 1 || firstLsn === null || lsn === firstLsn) return
    throw new FicusError(
      'FICUS_SLOT_LOST',
      `the connector was restarted within transaction ${transaction} and counted its events anew: what belongs to it cannot be told`,
    )
  }

  #isStale(event: PlacedEvent, queue: PartitionQueue, wanted: string): boolean {
    if (this.#done.has(event.transaction)) return true
    if (event.previousCommit !== null) return event.previousCommit < this.#reached
    // The first transaction of a newly registered connector: what stands before the wanted one was committed before it.
    return queue.holds(wanted)
  }

  /** Whether it cannot be told yet if the event is to be left out. */
  #isUnknown(event: DebeziumEvent | null, { end }: OpenTransaction): boolean {
    if (event === null || !('order' in event)) return false
    return event.previousCommit === null && event.transaction !== end.transaction
  }

  #remember(transaction: string, firstLsn: bigint | null): void {
    this.#done.delete(transaction)
    this.#done.set(transaction, firstLsn)
    const [oldest] = this.#done.keys()
    if (this.#done.size > REMEMBERED && oldest !== undefined) this.#done.delete(oldest)
  }
}
