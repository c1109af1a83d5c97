import { FicusError } from '@ficus/core/errors/ficus-error'
import { BegunAnew, type BegunAnewOptions } from './begun-anew.ts'
import type { CommitOrder } from './commit-order.ts'
import type { DebeziumEvent } from './event.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { wroteLater } from './producer-runs.ts'
import type { PlacedEvent } from './taken-events.ts'

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
  /** Where the last of them stands in the source's log. */
  lastLsn: bigint
  /** Where the connector began it more than once. */
  readonly anew: BegunAnew | null
}

/** Where the connector began a transaction whose end is yet to come. */
interface Begin {
  readonly lsn: bigint | null
  times: number
}

/** So many transactions are remembered, to know again what a restarted connector wrote twice. */
const REMEMBERED = 1_000

/**
 * Puts transactions together again whose events lie in many partitions. The ends in the transactions' topic, whose one
 * partition keeps their order, say which transaction comes next and how many events it has; `total_order` numbers them.
 * One task writes all partitions in commit order, so that each holds a transaction's events together and in order, and
 * it is enough to look at the oldest event of each: a merge, which holds no transaction whole however large it is. One
 * that a restarted connector began anew is merged by its places in the log (begun-anew.ts).
 *
 * What a connector wrote again after it was registered anew is known by `source.sequence`: the end of the commit before
 * the event's transaction, which for a new one lies nowhere before the last commit that was taken.
 */
export class TransactionMerger implements CommitOrder {
  readonly #boundaries: PartitionQueue
  readonly #partitions: readonly PartitionQueue[]
  #reached: bigint
  #open: OpenTransaction | null = null
  readonly #begins = new Map<string, Begin>()
  /** Transactions that were taken or are left out, the oldest first. */
  readonly #done = new Set<string>()
  /** Where the last event was found: most often the next one is there too. */
  #latest: PartitionQueue | undefined

  constructor({ boundaries, partitions, reached }: MergerOptions) {
    this.#boundaries = boundaries
    this.#partitions = partitions
    this.#reached = reached
  }

  next(): DebeziumEvent | null {
    const open = this.#open
    if (open === null) return this.#begin()
    const event = open.anew === null ? this.#event(open) : open.anew.next()
    if (event?.kind !== 'end') return event
    this.#open = null
    this.#reached = event.endLsn
    this.#remember(event.transaction)
    return event
  }

  offsets(): Record<string, string> {
    const all = [this.#boundaries, ...this.#partitions]
    return Object.fromEntries(all.map(queue => [queue.partition, String(queue.next)]))
  }

  waitsFor(): string | null {
    if (this.#open === null) return null
    const { end, taken, anew } = this.#open
    return anew?.waitsFor() ?? `event ${taken + 1} of ${end.events} of transaction ${end.transaction}`
  }

  get wantsEnds(): boolean {
    return this.#open?.anew?.wantsEnds ?? false
  }

  learnEnds(ends: ReadonlyMap<string, bigint>): void {
    this.#open?.anew?.learnEnds(ends)
  }

  /** Looks for the next end, and takes what stands before it: begins, heartbeats, ends of what the target has. */
  #begin(): DebeziumEvent | null {
    for (;;) {
      const event = this.#boundaries.head()
      if (event === null) return null
      this.#boundaries.shift()
      if (event.kind === 'begin') this.#note(event)
      if (event.kind !== 'end') continue
      const { lsn, times } = this.#begins.get(event.transaction) ?? { lsn: null, times: 1 }
      this.#begins.delete(event.transaction)
      if (event.endLsn <= this.#reached) {
        this.#remember(event.transaction)
        continue
      }
      // A transaction's number comes again after four thousand million others.
      this.#done.delete(event.transaction)
      this.#open = { end: event, taken: 0, lastLsn: 0n, anew: times > 1 ? this.#anew(event) : null }
      return { kind: 'begin', transaction: event.transaction, lsn }
    }
  }

  #note({ transaction, lsn }: Extract<DebeziumEvent, { kind: 'begin' }>): void {
    const known = this.#begins.get(transaction)
    if (known === undefined) this.#begins.set(transaction, { lsn, times: 1 })
    else known.times += 1
  }

  #anew(end: OpenTransaction['end']): BegunAnew {
    const isLater = (queue: PartitionQueue) => queue.head() !== null && !this.#isUnknown(queue.head(), end.transaction)
    const headOf: BegunAnewOptions['headOf'] = (queue, isNew) => this.#headOf(queue, end.transaction, isNew)
    return new BegunAnew({ end, partitions: this.#partitions, headOf, isLater })
  }

  /** The next event of a transaction that was begun once, or its end. */
  #event(open: OpenTransaction): DebeziumEvent | null {
    if (open.taken === open.end.events) return open.end
    const found = this.#find(open)
    if (found === null) return null
    this.#latest = found.queue
    found.queue.shift()
    open.taken += 1
    open.lastLsn = found.event.lsn
    return found.event
  }

  #find(open: OpenTransaction): { queue: PartitionQueue; event: PlacedEvent } | null {
    const latest = this.#latest === undefined ? null : this.#nextOf(this.#latest, open)
    if (latest !== null && this.#latest !== undefined) return { queue: this.#latest, event: latest }
    let mayCome = false
    for (const queue of this.#partitions) {
      const event = this.#nextOf(queue, open)
      if (event !== null) return { queue, event }
      mayCome ||= queue.head() === null || this.#isUnknown(queue.head(), open.end.transaction)
    }
    if (mayCome) return null
    throw lost(`${this.waitsFor()} is missing`)
  }

  /** The queue's oldest event if it is the one wanted. */
  #nextOf(queue: PartitionQueue, { end, taken, lastLsn }: OpenTransaction): PlacedEvent | null {
    const event = this.#headOf(queue, end.transaction, ({ order }) => order > taken)
    // Written again, behind all that the end has counted: it may be numbered otherwise.
    if (event === null || wroteLater(event.producer, end.producer)) return null
    if (event.order === taken + 1) return event
    if (event.order <= taken && event.lsn > lastLsn)
      throw lost(`event ${event.order} of transaction ${end.transaction} stands at two places`)
    return null
  }

  /** The queue's oldest event if it belongs to `transaction`. Takes what was left over of earlier ones off the queue. */
  #headOf(queue: PartitionQueue, transaction: string, isNew: (event: PlacedEvent) => boolean): PlacedEvent | null {
    const wanted = (event: DebeziumEvent) => 'order' in event && event.transaction === transaction && isNew(event)
    for (;;) {
      const event = queue.head()
      if (event === null) return null
      if ('order' in event) {
        if (event.transaction === transaction) return event
        if (!this.#isStale(event, queue, wanted)) return null
      }
      queue.shift()
    }
  }

  #isStale(event: PlacedEvent, queue: PartitionQueue, wanted: (event: DebeziumEvent) => boolean): boolean {
    if (this.#done.has(event.transaction)) return true
    if (event.previousCommit !== null) return event.previousCommit < this.#reached
    // The first transaction of a newly registered connector: what stands before the wanted one is written again behind it.
    return queue.holds(wanted)
  }

  /** Whether it cannot be told yet if the event is to be left out. */
  #isUnknown(event: DebeziumEvent | null, transaction: string): boolean {
    if (event === null || !('order' in event)) return false
    return event.previousCommit === null && event.transaction !== transaction
  }

  #remember(transaction: string): void {
    this.#done.delete(transaction)
    this.#done.add(transaction)
    const [oldest] = this.#done
    if (this.#done.size > REMEMBERED && oldest !== undefined) this.#done.delete(oldest)
  }
}

function lost(why: string): FicusError {
  return new FicusError('FICUS_SLOT_LOST', `the topics do not hold all that was committed: ${why}`)
}
