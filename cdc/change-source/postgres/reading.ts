import { setImmediate } from 'node:timers/promises'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { databaseError } from '@ficus/core/ledger/connection'
import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { endSession, openReplicationSession, withSession } from '../../database/session.ts'
import { preciseNumeric } from '../../mapping/numeric-modifier.ts'
import { BatchBuilder } from '../batch-builder.ts'
import {
  type Backlog,
  type ChangeBatch,
  type ChangeSourceOptions,
  type Relation,
  StreamEnded,
} from '../change-source.ts'
import { MARK } from '../marks.ts'
import { lsnToNumber, type Position } from '../position.ts'
import { slotLost } from '../slot-state.ts'
import {
  asksForReply,
  DATA_HEADER,
  newTuple,
  oldTuple,
  type RelationMessage,
  readPgOutput,
  rowKind,
  rowOid,
  STREAM_TAG,
  sentAt,
  standbyStatus,
} from './pgoutput.ts'
import { ReplicationStream } from './replication-stream.ts'
import { readStreamStart, type StreamStart, slotBusy } from './stream-start.ts'

/** How much one batch may hold; one more is being applied meanwhile. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024
/**
 * How long the socket is left alone while a batch need not go yet: rows are cheaper to read by the hundred than one by
 * one. Much longer, and the socket's buffer is full before.
 */
const REST_MS = 1
/** A transaction that comes to us so much later than it was committed is part of a backlog. */
const LATE_MS = 250
/** How long a batch of a backlog waits until it is worth a transaction of the target. */
const GATHER_MS = 100

/** A column's type has no portable binary form: the stream is opened anew in text form. */
export class TextNeeded extends StreamEnded {}

/** One replication connection from its opening to its end. */
export class Reading {
  readonly #options: ChangeSourceOptions
  readonly #client: Client
  readonly #format: 'binary' | 'text'
  readonly #start: StreamStart
  readonly #from: bigint
  readonly #relations = new Map<number, Relation>()
  readonly #builder: BatchBuilder
  readonly #statusTimer: NodeJS.Timeout
  #stream: ReplicationStream | undefined
  #received: bigint
  #flushed: bigint
  /** The open transaction is left out: it was applied before, or it came from the other side. */
  #skipping = false
  #paused = false
  /** The newest transaction came late. */
  #late = false
  /** Whoever asked for a batch has not waited long for it. */
  #gathering = false
  /** When the server was heard last, by performance.now(). */
  #heardAt = performance.now()
  #ended = false
  #failure: Error | undefined
  #wake: (() => void) | undefined
  #wakePending = false
  #rest: NodeJS.Timeout | undefined

  private constructor(
    options: ChangeSourceOptions,
    client: Client,
    format: 'binary' | 'text',
    start: StreamStart,
    from: bigint,
  ) {
    this.#options = options
    this.#client = client
    this.#format = format
    this.#start = start
    this.#from = from
    this.#received = from
    this.#flushed = from
    this.#builder = new BatchBuilder(options.batchRows, MAX_BATCH_BYTES)
    this.#statusTimer = setInterval(() => this.#keepAlive(), start.statusMs)
    this.#statusTimer.unref()
    client.on('end', () => this.end(new StreamEnded('the replication connection was lost')))
  }

  static async open(options: ChangeSourceOptions, format: 'binary' | 'text', from: Position): Promise<Reading> {
    const { source, slot, publication } = options
    const start = await withSession(source, client => readStreamStart(client, options, from))
    const client = await openReplicationSession(source)
    const reading = new Reading(options, client, format, start, lsnToNumber(from.lsn))
    const plugin = [
      `proto_version '2'`,
      `publication_names '${quoteIdentifier(publication).replaceAll(`'`, `''`)}'`,
      `binary '${format === 'binary'}'`,
      `messages 'true'`,
    ].join(', ')
    reading.#stream = ReplicationStream.start(
      client,
      `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${from.lsn} (${plugin})`,
      {
        data: (bytes, start, end) => reading.#take(bytes, start, end),
        ended: error => reading.end(reading.#named(error)),
      },
    )
    return reading
  }

  /** The next batch, or null after an orderly end. @throws what ended the stream. */
  async next(): Promise<ChangeBatch | null> {
    if (this.#rest !== undefined) {
      this.#endRest()
      // What waits in the socket comes along.
      await setImmediate()
    }
    this.#gathering = true
    const timer = setTimeout(() => {
      this.#gathering = false
      this.#wake?.()
    }, GATHER_MS)
    while (!this.#ended && !this.#mayGo()) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    clearTimeout(timer)
    if (this.#ended) {
      if (this.#failure !== undefined) throw this.#failure
      return null
    }
    const batch = this.#builder.take()
    if (this.#paused) {
      this.#paused = false
      this.#heardAt = performance.now()
      this.#stream?.resume()
    }
    return batch
  }

  /** Whether there is a batch to go; one of a backlog should hold many rows, since each costs the target a transaction. */
  #mayGo(): boolean {
    if (!this.#builder.ready || !this.#late || this.#builder.full) return this.#builder.ready
    return this.#builder.rows >= this.#options.batchRows / 2 || !this.#gathering
  }

  /** The batch was applied: its memory may be used again. */
  giveBack(batch: ChangeBatch): void {
    this.#builder.giveBack(batch)
  }

  acknowledge(position: bigint): void {
    if (position <= this.#flushed) return
    this.#flushed = position
    this.#sendStatus()
  }

  backlog(): Backlog {
    return { rows: this.#builder.rows, oldestCommit: this.#builder.firstCommit }
  }

  /** Ends the stream; what was gathered and not taken will be sent again. */
  end(failure: Error | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    this.#wake?.()
  }

  async close(): Promise<void> {
    this.end(undefined)
    clearInterval(this.#statusTimer)
    clearTimeout(this.#rest)
    this.#sendStatus()
    await endSession(this.#client)
  }

  #take(bytes: Buffer, start: number, end: number): void {
    if (this.#ended) return
    this.#heardAt = performance.now()
    if (bytes[start] === STREAM_TAG.KEEPALIVE && asksForReply(bytes, start)) this.#sendStatus()
    if (bytes[start] !== STREAM_TAG.DATA) return
    const at = start + DATA_HEADER
    const kind = rowKind(bytes, at)
    try {
      if (kind === null) this.#takeMessage(bytes.subarray(at, end), sentAt(bytes, start))
      else if (!this.#skipping) this.#takeRow(kind, bytes, at, end)
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #takeRow(kind: 'insert' | 'update' | 'delete', bytes: Buffer, at: number, end: number): void {
    const old = oldTuple(bytes, at)
    const fresh = newTuple(bytes, at, old)
    this.#builder.add(kind, this.#relation(rowOid(bytes, at)), bytes, old, fresh, end)
    this.#gathered()
  }

  /** @param sent when the server sent it, by its own clock, ms since 1970. */
  #takeMessage(data: Buffer, sent: number): void {
    const message = readPgOutput(data)
    switch (message.tag) {
      case 'begin':
        this.#skipping = message.finalLsn < this.#from
        this.#builder.begin(message.transaction, message.finalLsn)
        return
      case 'commit':
        this.#received = message.endLsn
        this.#late = sent - message.time > LATE_MS
        if (message.endLsn > this.#from) this.#builder.commit({ lsn: message.end }, message.time)
        break
      case 'origin':
        if (this.#options.ignoredOrigins.includes(message.name)) this.#skipping = true
        return
      case 'message':
        if (message.prefix === MARK.ORIGIN && this.#options.ignoredOrigins.includes(message.content)) {
          this.#skipping = true
        }
        return
      case 'relation':
        this.#learnRelation(message.relation)
        return
      case 'truncate':
        if (this.#skipping) return
        for (const oid of message.oids) this.#builder.add('truncate', this.#relation(oid), null, -1, -1)
        break
      case 'other':
        return
    }
    this.#gathered()
  }

  #gathered(): void {
    if (this.#builder.ready) this.#wakeSoon()
    if (this.#builder.full && !this.#paused) {
      this.#paused = true
      this.#stream?.pause()
    }
  }

  /** The socket's whole chunk is read before whoever waits goes on, so that small transactions share a batch. */
  #wakeSoon(): void {
    if (this.#wakePending) return
    this.#wakePending = true
    queueMicrotask(() => {
      this.#wakePending = false
      if (this.#wake !== undefined && this.#mayGo()) this.#wake()
      else this.#beginRest()
    })
  }

  #beginRest(): void {
    if (this.#rest !== undefined || this.#paused || this.#ended) return
    this.#stream?.pause()
    this.#rest = setTimeout(() => this.#endRest(), REST_MS)
  }

  #endRest(): void {
    clearTimeout(this.#rest)
    this.#rest = undefined
    if (!this.#paused) this.#stream?.resume()
  }

  #relation(oid: number): Relation {
    const relation = this.#relations.get(oid)
    if (relation === undefined) throw new FicusError('FICUS_INTERNAL', `a change of table ${oid} came before its shape`)
    return relation
  }

  /** The server repeats a table's shape whenever its cache was reset; only a different one makes a new object. */
  #learnRelation(message: RelationMessage): void {
    const relation: Relation = {
      table: this.#start.tables.get(message.oid) ?? { schema: message.schema, table: message.table },
      format: this.#format,
      columns: message.columns.map(({ name, typeOid, modifier, identity }) => {
        const wire = this.#start.types.get(typeOid)
        if (wire === undefined) throw new StreamEnded(`type ${typeOid} of ${message.table}.${name} is new`)
        if (this.#format === 'binary' && !wire.binary) throw new TextNeeded(`${message.table}.${name} needs text form`)
        const preciseType = preciseNumeric(wire.baseOid, Math.max(modifier, wire.baseModifier))
        return { name, type: wire.type, preciseType, identity }
      }),
    }
    const known = this.#relations.get(message.oid)
    if (known === undefined || JSON.stringify(known) !== JSON.stringify(relation)) {
      // What was committed before is whole in itself: should the new shape not fit the mapping, none of that is held back.
      if (known !== undefined) this.#builder.seal()
      this.#relations.set(message.oid, relation)
    }
  }

  /**
   * Tells the server that we are there, and asks it to say the same: an idle server and a network that swallows
   * everything are silent alike.
   */
  #keepAlive(): void {
    const { silenceMs } = this.#start
    if (!this.#paused && performance.now() - this.#heardAt > silenceMs) {
      this.end(new StreamEnded(`${this.#options.source.name} was not heard for ${silenceMs / 1000} s`))
      this.#client.connection.stream.destroy()
    } else this.#sendStatus(true)
  }

  #sendStatus(replyWanted = false): void {
    this.#stream?.send(standbyStatus(this.#received, this.#flushed, Date.now(), replyWanted))
  }

  #named(error: Error | undefined): Error {
    const { source, slot } = this.#options
    const code = systemCodeOf(error)
    if (error === undefined) return new StreamEnded('the server ended the stream')
    if (code === '55006') return slotBusy(source, slot, error.message)
    if (code === '42704' && /slot/.test(error.message)) return slotLost(source, slot, error.message)
    if (code === '55000' && /slot/.test(error.message)) return slotLost(source, slot, error.message)
    const named = databaseError(error, source.name, source.url)
    return named instanceof Error ? named : error
  }
}
