import type { DebeziumEvent } from './event.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { type PlacedEvent, TakenEvents } from './taken-events.ts'

export interface BegunAnewOptions {
  readonly end: Extract<DebeziumEvent, { kind: 'end' }>
  readonly partitions: readonly PartitionQueue[]
  /** A queue's oldest event if it belongs to the transaction; takes off it what was left over of earlier ones. */
  readonly headOf: (queue: PartitionQueue, isNew: (event: PlacedEvent) => boolean) => PlacedEvent | null
  /** Whether what stands first in a queue comes after the transaction. */
  readonly isLater: (queue: PartitionQueue) => boolean
}

/**
 * Puts a transaction together that the connector began more than once: it may have counted anew each time, so that numbers
 * do not tell which event comes next. Places in the source's log do, once something is known of every partition: its
 * next event, or that it holds no more of the transaction. As in one topic, a begin comes before what is counted anew, so
 * that whoever takes the events may count them.
 */
export class BegunAnew {
  readonly #options: BegunAnewOptions
  readonly #taken = new TakenEvents()
  /** The number of the event before the next one. */
  #order = 0
  /** What each partition held when the transaction's end had been read. */
  #ends: ReadonlyMap<string, bigint> | null = null
  #wantsEnds = false

  constructor(options: BegunAnewOptions) {
    this.#options = options
  }

  /** Whether it cannot go on without knowing where the partitions end. */
  get wantsEnds(): boolean {
    return this.#wantsEnds && this.#ends === null
  }

  /** @param ends the offset behind each partition's records, of a time after the transaction's end was read. */
  learnEnds(ends: ReadonlyMap<string, bigint>): void {
    this.#ends = ends
  }

  /** The transaction's next event, its end, or null where more has to be read first. */
  next(): DebeziumEvent | null {
    const { end, partitions } = this.#options
    let next: { queue: PartitionQueue; event: PlacedEvent } | null = null
    for (const queue of partitions) {
      const event = this.#newHead(queue)
      if (event === null && !this.#holdsNoMore(queue)) {
        this.#wantsEnds = true
        return null
      }
      if (event !== null && (next === null || this.#comesBefore(event, next.event))) next = { queue, event }
    }
    if (this.#order > 0 && (next === null ? end.events === 0 : next.event.order === 1)) {
      this.#order = 0
      return { kind: 'begin', transaction: end.transaction, lsn: null }
    }
    if (next === null) return end
    next.queue.shift()
    this.#order = next.event.order
    this.#taken.take(next.event)
    return next.event
  }

  waitsFor(): string {
    const { transaction, events } = this.#options.end
    return `an event behind the ${this.#taken.count} taken of transaction ${transaction}, whose last run has ${events},`
  }

  #newHead(queue: PartitionQueue): PlacedEvent | null {
    for (;;) {
      const event = this.#options.headOf(queue, placed => !this.#taken.has(placed))
      if (event === null || !this.#taken.has(event)) return event
      queue.shift()
    }
  }

  #holdsNoMore(queue: PartitionQueue): boolean {
    if (this.#options.isLater(queue)) return true
    const end = this.#ends?.get(queue.partition)
    return end !== undefined && queue.read >= end
  }

  /** Events at one place are those of one run, as long as it goes on. */
  #comesBefore(one: PlacedEvent, other: PlacedEvent): boolean {
    if (one.lsn !== other.lsn) return one.lsn < other.lsn
    if (other.order === this.#order + 1) return false
    return one.order === this.#order + 1 || one.order < other.order
  }
}
