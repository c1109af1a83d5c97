import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicsConfig } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { withSession } from '../../database/session.ts'
import type { Backlog, ChangeBatch, ChangeSource, ChangeSourceOptions } from '../change-source.ts'
import { lsnToNumber, type Position } from '../position.ts'
import { readHeldSlot } from '../slot-state.ts'
import { CatalogWatch, keptTypes, TYPES_SETTING, typesOfNow } from './catalog-watch.ts'
import type { ColumnTypes } from './column-types.ts'
import { ConnectClient } from './connect-client.ts'
import { runConnector, stopConnector } from './connector.ts'
import { type ConnectorInput, connectorConfig, placeholderOf } from './connector-config.ts'
import { connectorName, connectorPrefix } from './connector-name.ts'
import { ConnectorWatch } from './connector-watch.ts'
import { KafkaTopics } from './kafka-topics.ts'
import { Placeholder } from './placeholder.ts'
import { Restarts } from './restarts.ts'
import { TableReaders } from './table-readers.ts'
import { assertTopicsKept, prepareTopics } from './topic-preparation.ts'
import { TopicStream } from './topic-stream.ts'

/** Where Kafka and Kafka Connect are, and what they call things. */
export interface DebeziumOptions {
  readonly brokers: readonly string[]
  readonly connectUrl: string
  readonly topicPrefix: string
  /** How the topics are laid out and kept; core/config/schema.ts. */
  readonly topics: TopicsConfig
  /** `host:port`, where Kafka Connect reaches the source database by another address. */
  readonly connectDatabaseHost?: string | undefined
  /** Unless told otherwise, what suits a system that runs for months. */
  readonly pace?: Pace
}

/** What goes into the connector's configuration, and how often something is done, ms. */
export interface Pace extends Pick<ConnectorInput, 'retryMs' | 'transactionMs'> {
  /** The connector is asked how it fares. */
  readonly watchMs: number
  /** Kafka is told what the target has, and its topics are looked at. */
  readonly releaseMs: number
}

const PACE: Pace = { retryMs: 2_000, transactionMs: 15_000, watchMs: 2_000, releaseMs: 10_000 }

/** What `prepare` made ready for `read`. */
interface Prepared {
  readonly topics: KafkaTopics
  /** The first offset to read of each partition. */
  readonly offsets: ReadonlyMap<string, bigint>
  readonly readers: TableReaders
  readonly types: ColumnTypes
  readonly connectorConfig: Readonly<Record<string, string>>
}

/** The engine for many machines: Debezium fills topics from the slot, and this reads the topics. */
export class DebeziumSource implements ChangeSource {
  readonly engine = 'debezium'
  readonly #options: ChangeSourceOptions
  readonly #debezium: DebeziumOptions
  readonly #pace: Pace
  readonly #connect: ConnectClient
  readonly #restarts = new Restarts()
  #prepared: Prepared | undefined
  #stream: TopicStream | undefined
  /** Where the target stands, and what of it Kafka was told. */
  #applied: Position['offsets']
  #released: Position['offsets']

  constructor(options: ChangeSourceOptions, debezium: DebeziumOptions) {
    this.#options = options
    this.#debezium = debezium
    this.#pace = debezium.pace ?? PACE
    this.#connect = new ConnectClient(debezium.connectUrl)
  }

  /** Makes the topics and the connector that fills them, and sees to it that it runs. */
  async prepare(from: Position, signal: AbortSignal): Promise<void> {
    const { source, slot, publication, tables } = this.#options
    const { brokers, connectDatabaseHost, topics: settings, topicPrefix } = this.#debezium
    const name = connectorName(topicPrefix, this.#options, from)
    // Before the readers: should a type change in between, the watch sees it.
    const types = await typesOfNow(this.#options, keptTypes(await this.#connect.config(name)))
    const readers = await TableReaders.open(this.#options, new Placeholder(placeholderOf(name)))
    const topics = new KafkaTopics(brokers, name)
    const offsets = await prepareTopics(topics, settings, tables, from)
    await this.#prepareSlot(from)
    const { unread } = readers
    const { retryMs, transactionMs } = this.#pace
    const target = { name, databaseUrl: source.url, connectDatabaseHost, slot, publication, tables }
    const config = {
      ...connectorConfig({ ...target, unread, topics: settings, retryMs, transactionMs }),
      [TYPES_SETTING]: JSON.stringify(types),
    }
    try {
      await runConnector(this.#connect, name, config, signal)
    } catch (error) {
      throw this.#restarts.judge(error, performance.now())
    }
    this.#prepared = { topics, offsets, readers, types, connectorConfig: config }
  }

  /**
   * The connector leaves out changes of tables that it was not given. Where such a one is a transaction's first, what is
   * left of it looks as if the connector had passed something over (transaction-assembler.ts).
   */
  async beforePublishing(from: Position): Promise<void> {
    await stopConnector(this.#connect, connectorName(this.#debezium.topicPrefix, this.#options, from))
  }

  async *read(from: Position, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const prepared = this.#prepared
    if (prepared === undefined) throw new TypeError('prepare comes before read')
    const { batchRows, ignoredOrigins, tables } = this.#options
    const catalog = new CatalogWatch(this.#options, prepared.types)
    const stream = new TopicStream({ ...prepared, from, batchRows, ignoredOrigins, tables, catalog })
    this.#stream = stream
    const reading = new AbortController()
    const ends = AbortSignal.any([signal, reading.signal])
    const watching = this.#watch(prepared, stream, ends)
    try {
      yield* stream.batches(ends)
    } finally {
      this.#stream = undefined
      reading.abort()
      await Promise.all([watching, catalog.close()])
    }
  }

  acknowledge(position: Position): void {
    this.#applied = position.offsets
  }

  giveBack(batch: ChangeBatch): void {
    this.#stream?.giveBack(batch)
  }

  backlog(): Backlog {
    return this.#stream?.backlog() ?? { rows: 0, oldestCommit: null }
  }

  async stop(): Promise<void> {
    this.#stream?.end(undefined)
  }

  /** Removes every connector that reads this capability's slot, with its offsets and its topics. */
  async drop(): Promise<void> {
    const prefix = connectorPrefix(this.#debezium.topicPrefix, this.#options)
    for (const [name, config] of await this.#connect.list()) {
      if (!name.startsWith(prefix) || config['slot.name'] !== this.#options.slot) continue
      await stopConnector(this.#connect, name)
      await this.#connect.deleteOffsets(name)
      await new KafkaTopics(this.#debezium.brokers, name).deleteAll()
      // Last: as long as it is known, a drop that was broken off finds it again.
      await this.#connect.delete(name)
    }
  }

  /** Moves a slot that nothing was read from yet to where the target stands: it may come from the other engine. */
  async #prepareSlot(from: Position): Promise<void> {
    const { source, slot } = this.#options
    await withSession(source, async client => {
      const { activePid, confirmedFlushLsn } = await readHeldSlot(client, source, slot)
      if (from.offsets !== undefined || activePid !== null) return
      if (lsnToNumber(confirmedFlushLsn ?? from.lsn) >= lsnToNumber(from.lsn)) return
      await client.query('SELECT pg_replication_slot_advance($1, $2)', [slot, from.lsn])
    })
  }

  /** While the topics are read: ends the stream when the connector fails, and lets Kafka forget what the target has. */
  async #watch(
    { topics, offsets, connectorConfig }: Prepared,
    stream: TopicStream,
    signal: AbortSignal,
  ): Promise<void> {
    const { watchMs, releaseMs } = this.#pace
    const watch = new ConnectorWatch(this.#connect, topics.name, connectorConfig)
    let releasedAt = performance.now()
    while (!signal.aborted) {
      await sleep(watchMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      stream.endIfStuck()
      const judge = (error: unknown) => stream.end(this.#restarts.judge(error, performance.now()))
      await watch.look().catch(judge)
      if (performance.now() - releasedAt < releaseMs) continue
      releasedAt = performance.now()
      try {
        await assertTopicsKept(topics, this.#debezium.topics, this.#options.tables, offsets)
        await this.#release(topics)
      } catch (error) {
        // A Kafka that is away is found to be so by whoever reads, and what is not released now is the next time.
        if (error instanceof FicusError && error.code === 'FICUS_CONNECTOR_FAILED') judge(error)
      }
    }
  }

  async #release(topics: KafkaTopics): Promise<void> {
    const applied = this.#applied
    if (this.#debezium.topics.retention !== 'applied' || applied === undefined) return
    const moved = Object.entries(applied).filter(([partition, offset]) => this.#released?.[partition] !== offset)
    await topics.deleteBefore(new Map(moved.map(([partition, offset]) => [partition, BigInt(offset)])))
    this.#released = applied
  }
}
