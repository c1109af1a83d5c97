import { FicusError } from '@ficus/core/errors/ficus-error'
import type { TableName } from '@ficus/core/sql/identifier'
import { BatchBuilder } from '../batch-builder.ts'
import { type Backlog, type ChangeBatch, StreamEnded } from '../change-source.ts'
import { lsnToNumber, type Position } from '../position.ts'
import type { CatalogWatch } from './catalog-watch.ts'
import { type CommitOrder, OnePartition } from './commit-order.ts'
import { partitionKey, topicOf } from './connector-name.ts'
import type { DebeziumEvent } from './event.ts'
import type { KafkaTopics } from './kafka-topics.ts'
import { PartitionQueue } from './partition-queue.ts'
import { ProducerRuns } from './producer-runs.ts'
import type { TableReader } from './table-reader.ts'
import type { TableReaders } from './table-readers.ts'
import { transactionTopic } from './topic-layout.ts'
import type { FlowControl } from './topic-reading.ts'
import { TransactionAssembler } from './transaction-assembler.ts'
import { TransactionMerger } from './transaction-merger.ts'

/** How much one batch may hold; one more is being applied meanwhile. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024
/** How much may wait of all partitions together, about, and of one at least: a partition past its share is paused. */
const WAITING_BYTES = 3 * 1024 * 1024
const LEAST_SHARE_BYTES = 256 * 1024
/** Kafka holds an event as long as its transaction's end: one that does not come within this time is looked for anew. */
const PATIENCE_MS = 60_000

export interface TopicStreamOptions {
  readonly topics: KafkaTopics
  readonly from: Position
  /** The first offset to read of each partition. */
  readonly offsets: ReadonlyMap<string, bigint>
  readonly batchRows: number
  readonly ignoredOrigins: readonly string[]
  readonly tables: readonly TableName[]
  readonly readers: TableReaders
  readonly catalog: CatalogWatch
}

/** A connector's records as batches: one batch is applied while the next is gathered, then reading waits. */
export class TopicStream {
  readonly topics: KafkaTopics
  readonly #offsets: ReadonlyMap<string, bigint>
  readonly #readers: TableReaders
  readonly #catalog: CatalogWatch
  readonly #builder: BatchBuilder
  readonly #assembler: TransactionAssembler
  readonly #queues: ReadonlyMap<string, PartitionQueue>
  readonly #order: CommitOrder
  readonly #share: number
  readonly #producers = new ProducerRuns()
  readonly #ending = new AbortController()
  readonly #paused = new Set<string>()
  #flow: FlowControl | undefined
  #failure: Error | undefined
  #gathering = false
  /** Wakes whoever waits for a batch. */
  #wake: (() => void) | undefined
  /** What is waited for, and since when; performance.now(). */
  #waiting: { readonly what: string; readonly since: number } | null = null

  constructor({ topics, from, offsets, batchRows, ignoredOrigins, tables, readers, catalog }: TopicStreamOptions) {
    this.topics = topics
    this.#offsets = offsets
    this.#readers = readers
    this.#catalog = catalog
    this.#queues = new Map(
      [...offsets].map(([partition, offset]) => [partition, new PartitionQueue(partition, offset)]),
    )
    this.#order = orderOf(topics.name, this.#queues, from)
    this.#share = Math.max(LEAST_SHARE_BYTES, Math.floor(WAITING_BYTES / offsets.size))
    this.#builder = new BatchBuilder(batchRows, MAX_BATCH_BYTES)
    this.#assembler = new TransactionAssembler({
      name: topics.name,
      offsets: () => this.#order.offsets(),
      from,
      ignoredOrigins,
      tables,
      producers: this.#producers,
      builder: this.#builder,
    })
  }

  /** The batch was applied: its memory may be used again. */
  giveBack(batch: ChangeBatch): void {
    this.#builder.giveBack(batch)
  }

  /** Batches until `signal` is aborted. @throws what ended the stream otherwise. */
  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const reading = this.#read(AbortSignal.any([signal, this.#ending.signal]))
    try {
      for (let batch = await this.#next(); batch !== null; batch = await this.#next()) yield batch
    } finally {
      this.end(undefined)
      await reading
    }
  }

  backlog(): Backlog {
    return { rows: this.#builder.rows, oldestCommit: this.#builder.firstCommit }
  }

  /** Ends the stream; what was gathered and not taken will be read again. */
  end(failure: Error | undefined): void {
    if (this.#ending.signal.aborted) return
    this.#failure = failure
    this.#ending.abort()
    this.#wake?.()
  }

  /**
   * Ends the stream where an event of a transaction that has ended does not come: either the reader lost a partition
   * without a word, which a new one finds, or somebody added partitions.
   */
  endIfStuck(): void {
    const what = this.#order.waitsFor()
    if (what === null) this.#waiting = null
    else if (this.#waiting?.what !== what) this.#waiting = { what, since: performance.now() }
    else if (performance.now() - this.#waiting.since > PATIENCE_MS) {
      const message = `${what} did not come for ${PATIENCE_MS / 1000} s from the topics of ${this.topics.name}`
      const cause = new FicusError('FICUS_KAFKA_UNREACHABLE', message, {
        remedy: 'It is read anew. Should that not help: are all brokers up, and was no record or topic removed?',
      })
      this.end(new StreamEnded(message, { cause }))
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      await this.topics.read({
        from: this.#offsets,
        fetchBytes: this.#share,
        take: (partition, messages) => {
          this.#producers.learn(partition, messages)
          this.#queues.get(partition)?.push(messages)
          // Later: Kafka is asked for more before this is worked on.
          setImmediate(() => void this.#gather())
        },
        passed: (partition, offset) => {
          this.#queues.get(partition)?.readTo(offset)
          if (this.#order.waitsFor() !== null) setImmediate(() => void this.#gather())
        },
        begin: flow => {
          this.#flow = flow
        },
        signal,
      })
      this.end(undefined)
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** The next batch, or null after an orderly end. */
  async #next(): Promise<ChangeBatch | null> {
    const { signal } = this.#ending
    while (!signal.aborted && !this.#builder.ready) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    if (this.#failure !== undefined) throw this.#failure
    if (signal.aborted) return null
    const batch = this.#builder.take()
    if (batch.position === null) this.#assembler.handedOut()
    setImmediate(() => void this.#gather())
    if (batch.changes.length > 0) await this.#catalog.assertUnchanged()
    return batch
  }

  /** Takes what was read, as far as there is room for it. */
  async #gather(): Promise<void> {
    if (this.#gathering) return
    this.#gathering = true
    try {
      while (!this.#builder.full && !this.#ending.signal.aborted) {
        const event = this.#order.next()
        if (event === null) {
          if (!this.#order.wantsEnds) break
          this.#order.learnEnds(await this.#endsOfNow())
          continue
        }
        const reader = this.#readers.readerOf(event)
        this.#assembler.take(event, reader === undefined ? await this.#newShape(event) : reader)
      }
      this.#keepWaiting()
    } catch (error) {
      // An event that cannot be read may be one of another type: the catalog tells which, and so what to do.
      const reason = await this.#catalog.assertUnchanged().then(
        () => error,
        (changed: unknown) => changed,
      )
      this.end(reason instanceof Error ? reason : new Error(String(reason)))
    }
    this.#gathering = false
    if (this.#builder.ready) this.#wake?.()
  }

  async #endsOfNow(): Promise<ReadonlyMap<string, bigint>> {
    const topics = new Set([...this.#queues.keys()].map(topicOf))
    const bounds = await this.topics.bounds([...topics])
    return new Map([...bounds].map(([partition, { end }]) => [partition, end]))
  }

  async #newShape(event: DebeziumEvent): Promise<TableReader | null> {
    if (event.kind !== 'row') return null
    const reader = await this.#readers.lookUp(event)
    // What was committed before is whole in itself: should the new shape not fit the mapping, none of that is held back.
    this.#builder.seal()
    return reader
  }

  /** Pauses partitions of which more waits than their share, and lets those go on of which little is left. */
  #keepWaiting(): void {
    for (const [partition, queue] of this.#queues) {
      if (!this.#paused.has(partition) && queue.bytes > this.#share) {
        this.#paused.add(partition)
        this.#flow?.pause(partition)
      } else if (this.#paused.has(partition) && queue.bytes <= this.#share / 2) {
        this.#paused.delete(partition)
        this.#flow?.resume(partition)
      }
    }
  }
}

function orderOf(name: string, queues: ReadonlyMap<string, PartitionQueue>, from: Position): CommitOrder {
  const only = queues.get(partitionKey(name))
  if (only !== undefined) return new OnePartition(only)
  const transactions = partitionKey(transactionTopic(name))
  const boundaries = queues.get(transactions)
  if (boundaries === undefined) throw new TypeError(`the partition ${transactions} is to be read`)
  const partitions = [...queues.values()].filter(queue => queue !== boundaries)
  return new TransactionMerger({ boundaries, partitions, reached: lsnToNumber(from.lsn) })
}
