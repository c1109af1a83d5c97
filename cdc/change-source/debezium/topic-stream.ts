import type { KafkaMessage } from 'kafkajs'
import { BatchBuilder } from '../batch-builder.ts'
import type { Backlog, ChangeBatch } from '../change-source.ts'
import type { Position } from '../position.ts'
import { storedOffset } from './connector-name.ts'
import { type DebeziumEvent, readEvent } from './event.ts'
import type { KafkaTopic } from './kafka-topic.ts'
import type { TableReader } from './table-reader.ts'
import type { TableReaders } from './table-readers.ts'
import { TransactionAssembler } from './transaction-assembler.ts'

/** How much one batch may hold; one more is being applied meanwhile. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024

export interface TopicStreamOptions {
  readonly topic: KafkaTopic
  readonly from: Position
  readonly batchRows: number
  readonly ignoredOrigins: readonly string[]
  readonly readers: TableReaders
}

/** A topic's records as batches: one batch is applied while the next is gathered, then reading waits. */
export class TopicStream {
  readonly topic: KafkaTopic
  readonly #from: Position
  readonly #readers: TableReaders
  readonly #builder: BatchBuilder
  readonly #assembler: TransactionAssembler
  readonly #ending = new AbortController()
  #failure: Error | undefined
  /** Wakes whoever waits for a batch. */
  #wake: (() => void) | undefined
  /** Wakes the reader that waits for room. */
  #makeRoom: (() => void) | undefined

  constructor({ topic, from, batchRows, ignoredOrigins, readers }: TopicStreamOptions) {
    this.topic = topic
    this.#from = from
    this.#readers = readers
    this.#builder = new BatchBuilder(batchRows, MAX_BATCH_BYTES)
    this.#assembler = new TransactionAssembler({ topic: topic.name, from, ignoredOrigins, builder: this.#builder })
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
    this.#makeRoom?.()
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      await this.topic.read({
        from: storedOffset(this.topic.name, this.#from) ?? 0n,
        take: message => this.#take(message),
        taken: () => this.#wakeIfReady(),
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
    this.#makeRoom?.()
    return batch
  }

  #take(message: KafkaMessage): Promise<void> | undefined {
    const event = readEvent(message)
    const offset = BigInt(message.offset)
    const reader = this.#readers.readerOf(event)
    if (reader === undefined && event.kind === 'row') return this.#takeInNewShape(event, offset)
    return this.#add(event, offset, reader ?? null)
  }

  async #takeInNewShape(event: Extract<DebeziumEvent, { kind: 'row' }>, offset: bigint): Promise<void> {
    const reader = await this.#readers.lookUp(event)
    // What was committed before is whole in itself: should the new shape not fit the mapping, none of that is held back.
    this.#builder.seal()
    await this.#add(event, offset, reader)
  }

  #add(event: DebeziumEvent, offset: bigint, reader: TableReader | null): Promise<void> | undefined {
    this.#assembler.take(event, offset, reader)
    return this.#builder.full ? this.#room() : undefined
  }

  async #room(): Promise<void> {
    this.#wakeIfReady()
    while (this.#builder.full && !this.#ending.signal.aborted) {
      await new Promise<void>(resolve => {
        this.#makeRoom = resolve
      })
    }
  }

  #wakeIfReady(): void {
    if (this.#builder.ready) this.#wake?.()
  }
}
