import { FicusError } from '@ficus/core/errors/ficus-error'
import { withSession } from '../../database/session.ts'
import { readTableShapes } from '../../mapping/table-shape.ts'
import type { Backlog, ChangeBatch, ChangeSource, ChangeSourceOptions } from '../change-source.ts'
import { lsnToNumber, type Position } from '../position.ts'
import { Reading, TextNeeded } from './reading.ts'

/** The embedded engine: reads pgoutput on a replication connection of its own. */
export class PostgresSource implements ChangeSource {
  readonly engine = 'postgres'
  readonly #options: ChangeSourceOptions
  /** Text once a type was met whose binary form means nothing elsewhere. */
  #format: 'binary' | 'text' = 'binary'
  #reading: Reading | undefined

  constructor(options: ChangeSourceOptions) {
    this.#options = options
  }

  /** Chooses between the binary and the text form of values. */
  async prepare(): Promise<void> {
    const { source, tables } = this.#options
    await withSession(source, async client => {
      const shapeOf = await readTableShapes(client, tables)
      if (tables.some(table => shapeOf(table)?.columns.some(column => !column.binary))) this.#format = 'text'
    })
  }

  async *read(from: Position, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    assertOwnPosition(from, this.#options)
    const reading = await Reading.open(this.#options, this.#format, from)
    this.#reading = reading
    const abort = () => reading.end(undefined)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      for (let batch = await reading.next(); batch !== null; batch = await reading.next()) yield batch
    } catch (error) {
      if (error instanceof TextNeeded) this.#format = 'text'
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
      this.#reading = undefined
      await reading.close()
    }
  }

  giveBack(batch: ChangeBatch): void {
    this.#reading?.giveBack(batch)
  }

  acknowledge(position: Position): void {
    this.#reading?.acknowledge(lsnToNumber(position.lsn))
  }

  backlog(): Backlog {
    return this.#reading?.backlog() ?? { rows: 0, oldestCommit: null }
  }

  async stop(): Promise<void> {
    await this.#reading?.close()
  }

  async drop(): Promise<void> {}
}

/** What Kafka holds and the target has not applied yet is gone from the slot. */
function assertOwnPosition({ offsets }: Position, { capability }: ChangeSourceOptions): void {
  if (offsets === undefined) return
  throw new FicusError(
    'FICUS_CONFIG_INVALID',
    `the sync of ${capability} goes through Kafka, and cdc.engine is postgres`,
    {
      remedy: `Set cdc.engine back to 'debezium'; or roll ${capability} back to legacy with that, then change the engine.`,
    },
  )
}
