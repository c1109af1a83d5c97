import type { DebeziumEvent } from './event.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** Brings the events of a connector's partitions into the order in which the source committed them. */
export interface CommitOrder {
  /**
   * Takes the next event, or returns null where more has to be read first. Between a transaction's begin and its end
   * there are only events of it.
   * @throws FICUS_SLOT_LOST where the partitions do not hold a transaction whole.
   */
  next(): DebeziumEvent | null

  /** Where to go on reading once all that was taken is applied: the next offset of each partition. After an end only. */
  offsets(): Record<string, string>

  /** What is waited for, to be told when it does not come; null where nothing is missing. */
  waitsFor(): string | null

  /** Whether it cannot go on without knowing where the partitions end now. */
  readonly wantsEnds: boolean

  /** @param ends the offset behind the records of each partition, by its key. */
  learnEnds(ends: ReadonlyMap<string, bigint>): void
}

/** One topic with one partition: Debezium has written it in commit order. */
export class OnePartition implements CommitOrder {
  readonly wantsEnds = false
  readonly #queue: PartitionQueue

  constructor(queue: PartitionQueue) {
    this.#queue = queue
  }

  next(): DebeziumEvent | null {
    const event = this.#queue.head()
    this.#queue.shift()
    return event
  }

  offsets(): Record<string, string> {
    return { [this.#queue.partition]: String(this.#queue.next) }
  }

  waitsFor(): string | null {
    return null
  }

  learnEnds(): void {}
}
