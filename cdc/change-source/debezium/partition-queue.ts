import { type DebeziumEvent, type EventRecord, readEvent } from './event.ts'

/** A message of a partition, as far as it is read. */
export type QueuedRecord = EventRecord

/** What was read of one partition and not taken yet, oldest first. */
export class PartitionQueue {
  readonly partition: string
  #records: QueuedRecord[] = []
  /** Records before this index were taken. */
  #taken = 0
  #bytes = 0
  #head: DebeziumEvent | null = null
  /** The offset behind all that was read. */
  #end: bigint

  /** @param from the offset of the first record wanted. */
  constructor(partition: string, from: bigint) {
    this.partition = partition
    this.#end = from
  }

  /** Bytes of the records. */
  get bytes(): number {
    return this.#bytes
  }

  /** Where to go on reading, should only what was taken count. */
  get next(): bigint {
    const head = this.#records[this.#taken]
    return head === undefined ? this.#end : BigInt(head.offset)
  }

  /** The offset behind all that was read, what Kafka keeps for itself included. */
  get read(): bigint {
    return this.#end
  }

  /** Tells that there are no records before `offset` but those that were put in. */
  readTo(offset: bigint): void {
    if (offset > this.#end) this.#end = offset
  }

  push(records: readonly QueuedRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += record.value?.length ?? 0
    }
    const last = records.at(-1)
    if (last !== undefined) this.#end = BigInt(last.offset) + 1n
  }

  /** The oldest event, or null where there is none. @throws FICUS_CONNECTOR_FAILED (event.ts). */
  head(): DebeziumEvent | null {
    const record = this.#records[this.#taken]
    if (record === undefined) return null
    this.#head ??= readEvent(record)
    return this.#head
  }

  /** Takes the oldest event. */
  shift(): void {
    const record = this.#records[this.#taken]
    if (record === undefined) return
    this.#bytes -= record.value?.length ?? 0
    this.#taken += 1
    this.#head = null
    if (this.#taken < this.#records.length && this.#taken < COMPACT_AFTER) return
    this.#records = this.#records.slice(this.#taken)
    this.#taken = 0
  }

  /** Whether an event that is `wanted` is among what waits. Reads all of it: not for every event. */
  holds(wanted: (event: DebeziumEvent) => boolean): boolean {
    return this.#records.slice(this.#taken).some(record => wanted(readEvent(record)))
  }
}

/** Records that were taken are let go of by so many at once. */
const COMPACT_AFTER = 1_000
