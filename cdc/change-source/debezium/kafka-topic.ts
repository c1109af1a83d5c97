import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { type Admin, type Consumer, Kafka, type KafkaMessage, logLevel } from 'kafkajs'

/** The offsets that a topic's only partition holds: from `first` on, before `end`. */
export interface TopicBounds {
  readonly first: bigint
  readonly end: bigint
}

export interface ReadOptions {
  /** The first offset wanted. */
  readonly from: bigint
  /** Takes the messages in order. Where it returns a promise, the next one waits for it. */
  readonly take: (message: KafkaMessage) => Promise<void> | undefined
  /** All that was fetched at once is taken. */
  readonly taken: () => void
  readonly signal: AbortSignal
}

const CONNECTION_TIMEOUT_MS = 3_000
const FETCH_BYTES = 8 * 1024 * 1024
/** How often a reader that waits for its taker tells Kafka that it lives; its session lasts ten times as long. */
const HEARTBEAT_MS = 3_000

/**
 * One topic with one partition. The only module that knows kafkajs: what is read comes from an offset that the caller
 * keeps, and no consumer group decides anything.
 */
export class KafkaTopic {
  readonly name: string
  readonly #kafka: Kafka
  readonly #brokers: string

  constructor(brokers: readonly string[], name: string) {
    this.name = name
    this.#brokers = brokers.join(', ')
    this.#kafka = new Kafka({
      brokers: [...brokers],
      clientId: 'ficus-sync',
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      logLevel: logLevel.NOTHING,
      retry: { retries: 3, initialRetryTime: 200, maxRetryTime: 2_000 },
    })
  }

  /**
   * Makes the topic where it is missing. It keeps everything until `deleteBefore`: what the target has not applied must
   * not run out of time.
   */
  async create(maxMessageBytes: number): Promise<void> {
    const config = {
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'segment.bytes': String(128 * 1024 * 1024),
      'max.message.bytes': String(maxMessageBytes),
    }
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    await this.#admin(admin =>
      admin.createTopics({ topics: [{ topic: this.name, numPartitions: 1, configEntries }], waitForLeaders: true }),
    )
  }

  /** Null where there is no such topic. */
  async bounds(): Promise<TopicBounds | null> {
    return this.#admin(async admin => {
      const topics = await admin.listTopics()
      if (!topics.includes(this.name)) return null
      const [partition] = await admin.fetchTopicOffsets(this.name)
      return partition === undefined ? null : { first: BigInt(partition.low), end: BigInt(partition.high) }
    })
  }

  /** Lets Kafka remove what lies before `offset`. */
  async deleteBefore(offset: bigint): Promise<void> {
    const partitions = [{ partition: 0, offset: String(offset) }]
    await this.#admin(async admin => {
      // deleteTopicRecords does not find out who leads the partition; this does.
      await admin.fetchTopicOffsets(this.name)
      await admin.deleteTopicRecords({ topic: this.name, partitions })
    })
  }

  /** Removes the topic and what its readers left behind. One that is not there is no problem. */
  async delete(): Promise<void> {
    await this.#admin(async admin => {
      const topics = await admin.listTopics()
      if (topics.includes(this.name)) await admin.deleteTopics({ topics: [this.name] })
      const { groups } = await admin.listGroups()
      const ours = groups.map(({ groupId }) => groupId).filter(id => id.startsWith(`${this.name}.`))
      // The group of a reader that was killed counts as in use for a while; it goes by itself, since it holds no offset.
      if (ours.length > 0) await admin.deleteGroups(ours).catch(() => {})
    })
  }

  /**
   * Reads committed messages until `signal` is aborted; then it resolves.
   * @throws FICUS_KAFKA_UNREACHABLE, and what `take` throws.
   */
  async read(options: ReadOptions): Promise<void> {
    // A group of its own: a reader that was killed does not hold this one up until its session has run out.
    const consumer = this.#kafka.consumer({
      groupId: `${this.name}.${randomUUID()}`,
      allowAutoTopicCreation: false,
      maxBytesPerPartition: FETCH_BYTES,
      maxWaitTimeInMs: 1_000,
      heartbeatInterval: HEARTBEAT_MS,
      retry: { restartOnFailure: async () => false },
    })
    try {
      await new TopicReading(consumer, this.name, options).run()
    } catch (error) {
      throw this.#named(error)
    } finally {
      await consumer.disconnect().catch(() => {})
    }
  }

  async #admin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      return await work(admin)
    } catch (error) {
      throw this.#named(error)
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }

  #named(error: unknown): unknown {
    if (!(error instanceof Error) || !error.name.startsWith('KafkaJS')) return error
    return new FicusError(
      'FICUS_KAFKA_UNREACHABLE',
      `Kafka at ${this.#brokers} does not serve ${this.name}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

/** One consumer from its joining to its end. */
class TopicReading {
  readonly #consumer: Consumer
  readonly #topic: string
  readonly #options: ReadOptions
  readonly #ended = Promise.withResolvers<void>()
  #next: bigint
  #failed = false

  constructor(consumer: Consumer, topic: string, options: ReadOptions) {
    this.#consumer = consumer
    this.#topic = topic
    this.#options = options
    this.#next = options.from
    // Whoever runs it gets the error; it may come before that one waits.
    this.#ended.promise.catch(() => {})
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    const end = () => this.#ended.resolve()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) return
    const { CRASH, GROUP_JOIN, STOP } = this.#consumer.events
    this.#consumer.on(CRASH, ({ payload }) => this.#ended.reject(payload.error))
    this.#consumer.on(STOP, end)
    // Whenever it joins, Kafka would have it begin where the group stands, and the group stands nowhere.
    this.#consumer.on(GROUP_JOIN, () =>
      this.#consumer.seek({ topic: this.#topic, partition: 0, offset: String(this.#next) }),
    )
    try {
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true })
      await this.#consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch, heartbeat }) => this.#takeAll(batch.messages, heartbeat),
      })
      await this.#ended.promise
    } finally {
      signal.removeEventListener('abort', end)
    }
  }

  async #takeAll(messages: readonly KafkaMessage[], heartbeat: () => Promise<void>): Promise<void> {
    try {
      for (const message of messages) {
        if (this.#options.signal.aborted || this.#failed) return
        const offset = BigInt(message.offset)
        if (offset < this.#next) continue
        const waiting = this.#options.take(message)
        if (waiting !== undefined) await whileBeating(waiting, heartbeat)
        this.#next = offset + 1n
      }
      this.#options.taken()
    } catch (error) {
      // Were it thrown, kafkajs would hand out the same messages again.
      this.#failed = true
      this.#ended.reject(error)
    }
  }
}

async function whileBeating(waiting: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
  for (;;) {
    const pause = new AbortController()
    const beat = sleep(HEARTBEAT_MS, true, { signal: pause.signal }).catch(() => false)
    const late = await Promise.race([waiting.then(() => false), beat])
    pause.abort()
    if (!late) return
    await heartbeat()
  }
}
