import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { withSession } from '../../database/session.ts'
import {
  type Backlog,
  type ChangeBatch,
  type ChangeSource,
  type ChangeSourceOptions,
  StreamEnded,
} from '../change-source.ts'
import { lsnToNumber, type Position } from '../position.ts'
import { readSlot } from '../slot.ts'
import { ConnectClient } from './connect-client.ts'
import { assertRuns, runConnector, stopConnector } from './connector.ts'
import { connectorConfig, MAX_EVENT_BYTES, placeholderOf } from './connector-config.ts'
import { connectorName, connectorPrefix, storedOffset } from './connector-name.ts'
import { KafkaTopic } from './kafka-topic.ts'
import { Placeholder } from './placeholder.ts'
import { TableReaders } from './table-readers.ts'
import { TopicStream } from './topic-stream.ts'

/** Where Kafka and Kafka Connect are, and what they call things. */
export interface DebeziumOptions {
  readonly brokers: readonly string[]
  readonly connectUrl: string
  readonly topicPrefix: string
  /** `host:port`, where Kafka Connect reaches the source database by another address. */
  readonly connectDatabaseHost?: string | undefined
}

/** How often the connector is asked how it fares. */
const WATCH_MS = 2_000
/** So many times in a row Kafka Connect may be silent while changes are read from Kafka. */
const SILENCES = 5
/** How often Kafka is told what the target has. */
const RELEASE_MS = 10_000
/** A connector that failed is restarted so many times within this time; then somebody has to look. */
const RESTARTS = 3
const RESTARTS_WITHIN_MS = 5 * 60_000

/** The engine for many machines: Debezium fills a topic from the slot, and this reads the topic. */
export class DebeziumSource implements ChangeSource {
  readonly engine = 'debezium'
  readonly #options: ChangeSourceOptions
  readonly #debezium: DebeziumOptions
  readonly #connect: ConnectClient
  readonly #failures: number[] = []
  #readers: TableReaders | undefined
  #stream: TopicStream | undefined
  #applied: { readonly topic: KafkaTopic; readonly offset: bigint } | undefined

  constructor(options: ChangeSourceOptions, debezium: DebeziumOptions) {
    this.#options = options
    this.#debezium = debezium
    this.#connect = new ConnectClient(debezium.connectUrl)
  }

  /** Makes the topic and the connector that fills it, and sees to it that it runs. */
  async prepare(from: Position, signal: AbortSignal): Promise<void> {
    const { source, slot, publication, tables } = this.#options
    const name = this.#nameAt(from)
    const readers = await TableReaders.open(this.#options, new Placeholder(placeholderOf(name)))
    const topic = new KafkaTopic(this.#debezium.brokers, name)
    await this.#prepareTopic(topic, from)
    await this.#prepareSlot(from)
    const config = connectorConfig({
      name,
      databaseUrl: source.url,
      connectDatabaseHost: this.#debezium.connectDatabaseHost,
      slot,
      publication,
      tables,
      unread: readers.unread,
    })
    try {
      await runConnector(this.#connect, name, config, signal)
    } catch (error) {
      throw this.#judged(error)
    }
    this.#readers = readers
  }

  async *read(from: Position, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    if (this.#readers === undefined) throw new TypeError('prepare comes before read')
    const { batchRows, ignoredOrigins } = this.#options
    const topic = new KafkaTopic(this.#debezium.brokers, this.#nameAt(from))
    const stream = new TopicStream({ topic, from, batchRows, ignoredOrigins, readers: this.#readers })
    this.#stream = stream
    const reading = new AbortController()
    const ends = AbortSignal.any([signal, reading.signal])
    const watching = this.#watch(topic, stream, ends)
    try {
      yield* stream.batches(ends)
    } finally {
      this.#stream = undefined
      reading.abort()
      await watching
    }
  }

  acknowledge(position: Position): void {
    const topic = this.#stream?.topic
    const offset = topic === undefined ? null : storedOffset(topic.name, position)
    if (topic !== undefined && offset !== null) this.#applied = { topic, offset }
  }

  backlog(): Backlog {
    return this.#stream?.backlog() ?? { rows: 0, oldestCommit: null }
  }

  async stop(): Promise<void> {
    this.#stream?.end(undefined)
  }

  /** Removes every connector that reads this capability's slot, with its offsets and its topic. */
  async drop(): Promise<void> {
    const prefix = connectorPrefix(this.#debezium.topicPrefix, this.#options)
    for (const [name, config] of await this.#connect.list()) {
      if (!name.startsWith(prefix) || config['slot.name'] !== this.#options.slot) continue
      await stopConnector(this.#connect, name)
      await this.#connect.deleteOffsets(name)
      await new KafkaTopic(this.#debezium.brokers, name).delete()
      // Last: as long as it is known, a drop that was broken off finds it again.
      await this.#connect.delete(name)
    }
  }

  #nameAt(from: Position): string {
    return connectorName(this.#debezium.topicPrefix, this.#options, from)
  }

  async #prepareTopic(topic: KafkaTopic, from: Position): Promise<void> {
    const offset = storedOffset(topic.name, from)
    if (offset === null) {
      await topic.create(MAX_EVENT_BYTES)
      return
    }
    const bounds = await topic.bounds()
    if (bounds !== null && bounds.first <= offset && offset <= bounds.end) return
    const holds = bounds === null ? 'there is no such topic' : `it holds ${bounds.first} to ${bounds.end}`
    throw new FicusError('FICUS_SLOT_LOST', `topic ${topic.name} was to be read from ${offset} on, but ${holds}`)
  }

  /** Moves a slot that nothing was read from yet to where the target stands: it may come from the other engine. */
  async #prepareSlot(from: Position): Promise<void> {
    const { source, slot } = this.#options
    await withSession(source, async client => {
      const state = await readSlot(client, slot)
      const lost = state === null ? 'it does not exist' : state.lost
      if (lost !== null) throw new FicusError('FICUS_SLOT_LOST', `slot ${slot} of ${source.name} is lost: ${lost}`)
      if (from.offsets !== undefined || state?.activePid != null) return
      if (lsnToNumber(state?.confirmedFlushLsn ?? from.lsn) >= lsnToNumber(from.lsn)) return
      await client.query('SELECT pg_replication_slot_advance($1, $2)', [slot, from.lsn])
    })
  }

  /** While the topic is read: ends the stream when the connector fails, and lets Kafka forget what the target has. */
  async #watch(topic: KafkaTopic, stream: TopicStream, signal: AbortSignal): Promise<void> {
    let silences = 0
    let releasedAt = performance.now()
    while (!signal.aborted) {
      await sleep(WATCH_MS, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      try {
        await assertRuns(this.#connect, topic.name)
        silences = 0
      } catch (error) {
        silences += 1
        const unreachable = error instanceof FicusError && error.code === 'FICUS_KAFKA_UNREACHABLE'
        if (!unreachable || silences >= SILENCES) stream.end(this.#judged(error))
      }
      if (performance.now() - releasedAt < RELEASE_MS || this.#applied?.topic !== topic) continue
      releasedAt = performance.now()
      // A hint: what is not removed now is removed the next time.
      await topic.deleteBefore(this.#applied.offset).catch(() => {})
    }
  }

  /** A failed connector is worth some restarts, each of which begins with `prepare`; then its failure is final. */
  #judged(error: unknown): Error {
    if (!(error instanceof FicusError)) return error instanceof Error ? error : new Error(String(error))
    if (error.code !== 'FICUS_CONNECTOR_FAILED') return error
    const now = performance.now()
    this.#failures.push(now)
    const recent = this.#failures.filter(at => now - at < RESTARTS_WITHIN_MS)
    return recent.length > RESTARTS ? error : new StreamEnded(error.message, { cause: error })
  }
}
