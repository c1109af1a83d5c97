import { randomUUID } from 'node:crypto'
import type { Consumer, ConsumerEndBatchProcessEvent, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import { StreamEnded } from '../change-source.ts'
import { numberOf, partitionKey, topicOf } from './connector-name.ts'

/** What a reader wants of a connector's topics. */
export interface ReadOptions {
  /** The first offset wanted of each partition, by its key. All partitions of a topic are named. */
  readonly from: ReadonlyMap<string, bigint>
  /** Takes messages of one partition, in order. It keeps them; what it has no room for is asked for by `pause`. */
  readonly take: (partition: string, messages: readonly KafkaMessage[]) => void
  /** Told how far a partition was read, past what Kafka keeps there for itself: the offset to read next. */
  readonly passed?: (partition: string, offset: bigint) => void
  /** Bytes of one fetch of one partition, at most, but for a larger message. */
  readonly fetchBytes: number
  /** Given once reading begins: stops and goes on with single partitions. */
  readonly begin?: (flow: FlowControl) => void
  readonly signal: AbortSignal
}

/** Keeps partitions that run ahead waiting. */
export interface FlowControl {
  pause(partition: string): void
  resume(partition: string): void
}

/** A paused partition goes on after this time at most, since that long a fetch of the others may wait for records. */
const MAX_WAIT_MS = 250
const HEARTBEAT_MS = 3_000
/** Bytes of all partitions in one answer, about. Larger ones are kept whole in memory while a part of them waits. */
const ANSWER_BYTES = 2 * 1024 * 1024

/** One consumer from its joining to its end. */
export class TopicReading {
  readonly #kafka: Kafka
  readonly #name: string
  readonly #options: ReadOptions
  readonly #ended = Promise.withResolvers<void>()
  readonly #next: Map<string, bigint>
  #failed = false

  constructor(kafka: Kafka, name: string, options: ReadOptions) {
    this.#kafka = kafka
    this.#name = name
    this.#options = options
    this.#next = new Map(options.from)
    // Whoever runs it gets the error; it may come before that one waits.
    this.#ended.promise.catch(() => {})
  }

  /** Ends the reading with an error. */
  fail(error: unknown): void {
    this.#failed = true
    this.#ended.reject(error)
  }

  async run(): Promise<void> {
    const { signal, from, begin } = this.#options
    const end = () => this.#ended.resolve()
    if (signal.aborted) return
    signal.addEventListener('abort', end, { once: true })
    const consumer = this.#consumer()
    const { CRASH, END_BATCH_PROCESS, GROUP_JOIN, STOP } = consumer.events
    consumer.on(CRASH, ({ payload }) => this.fail(payload.error))
    consumer.on(STOP, end)
    consumer.on(END_BATCH_PROCESS, ({ payload }) => this.#passed(payload))
    consumer.on(GROUP_JOIN, ({ payload }) => this.#joined(consumer, payload.memberAssignment))
    const flow = (change: 'pause' | 'resume') => (partition: string) =>
      consumer[change]([{ topic: topicOf(partition), partitions: [numberOf(partition)] }])
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...new Set([...from.keys()].map(topicOf))], fromBeginning: true })
      // The fetcher waits for all that it fetched to be taken; `take` only keeps it, so that no partition waits for another.
      await consumer.run({
        autoCommit: false,
        partitionsConsumedConcurrently: from.size,
        eachBatch: payload => this.#take(payload),
      })
      begin?.({ pause: flow('pause'), resume: flow('resume') })
      await this.#ended.promise
    } finally {
      signal.removeEventListener('abort', end)
      await consumer.disconnect().catch(() => {})
    }
  }

  #consumer(): Consumer {
    return this.#kafka.consumer({
      // A group of its own: a reader that was killed does not hold this one up until its session has run out.
      groupId: `${this.#name}.${randomUUID()}`,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      maxBytesPerPartition: this.#options.fetchBytes,
      maxBytes: ANSWER_BYTES,
      maxWaitTimeInMs: MAX_WAIT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      retry: { restartOnFailure: async () => false },
    })
  }

  /**
   * Whenever it joins, Kafka would have it begin where the group stands, and the group stands nowhere. Should anybody
   * join this group, partitions would be taken away without a word: then reading begins anew, in another group.
   */
  #joined(consumer: Consumer, assignment: Readonly<Record<string, readonly number[]>>): void {
    const assigned = new Set(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map(number => partitionKey(topic, number)),
      ),
    )
    const lacking = [...this.#next.keys()].find(partition => !assigned.has(partition))
    if (lacking !== undefined) {
      this.fail(new StreamEnded(`another consumer was given ${lacking}`))
      return
    }
    for (const [partition, offset] of this.#next) {
      consumer.seek({ topic: topicOf(partition), partition: numberOf(partition), offset: String(offset) })
    }
  }

  /** Markers of transactions never reach `take`; kafkajs tells of them here. */
  #passed({ topic, partition: number, firstOffset, lastOffset }: ConsumerEndBatchProcessEvent['payload']): void {
    const partition = partitionKey(topic, number)
    const next = this.#next.get(partition)
    const behind = BigInt(lastOffset) + 1n
    if (this.#options.signal.aborted || this.#failed || next === undefined) return
    if (firstOffset === null || BigInt(firstOffset) > next || behind <= next) return
    this.#next.set(partition, behind)
    this.#options.passed?.(partition, behind)
  }

  async #take({ batch, heartbeat }: EachBatchPayload): Promise<void> {
    const partition = partitionKey(batch.topic, batch.partition)
    const next = this.#next.get(partition)
    const last = batch.messages.at(-1)
    if (this.#options.signal.aborted || this.#failed || next === undefined || last === undefined) return
    try {
      // After a seek, what was fetched before it may still come.
      const fresh =
        BigInt(batch.messages[0]?.offset ?? 0) < next
          ? batch.messages.filter(({ offset }) => BigInt(offset) >= next)
          : batch.messages
      if (fresh.length === 0) return
      this.#next.set(partition, BigInt(last.offset) + 1n)
      this.#options.take(partition, fresh)
    } catch (error) {
      // Were it thrown, kafkajs would hand out the same messages again.
      this.fail(error)
      return
    }
    await heartbeat()
  }
}
