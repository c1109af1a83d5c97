import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { TableName } from '@ficus/core/sql/identifier'
import { parse as parseLossless } from 'lossless-json'
import type { Producer } from './producer-runs.ts'
import type { JsonValue } from './value-text.ts'

/** A row as Debezium writes it. */
export type Row = Readonly<Record<string, JsonValue>>

/** What a record of the topics tells. */
export type DebeziumEvent =
  /** `lsn` is where its first change stands; null where that was not told. */
  | { readonly kind: 'begin'; readonly transaction: string; readonly lsn: bigint | null }
  /** `endLsn` is where the commit's record ends; `time` when it was, ms since 1970. */
  | {
      readonly kind: 'end'
      readonly transaction: string
      readonly endLsn: bigint
      readonly time: number
      readonly events: number
      readonly producer?: Producer | undefined
    }
  | (Placed & {
      readonly kind: 'row'
      readonly operation: 'insert' | 'update' | 'delete'
      readonly table: TableName
      readonly before: Row | null
      readonly after: Row | null
      /** One half of a changed primary key: the deletion of the old row, or the creation of the new one. */
      readonly keyChange: 'old' | 'new' | null
    })
  | (Placed & { readonly kind: 'truncate'; readonly table: TableName })
  /** A logical message (`pg_logical_emit_message`). */
  | (Placed & { readonly kind: 'message'; readonly prefix: string; readonly content: string })
  | { readonly kind: 'other' }

/** Where an event stands in its transaction. */
export interface Placed {
  readonly transaction: string
  /** 1 for the transaction's first event, and so on without a gap; from 1 again behind a second begin. */
  readonly order: number
  /** Where the event stands in the source's log. Rows of one COPY may share a place. */
  readonly lsn: bigint
  /** The writer's replication origin. */
  readonly origin: string | null
  /** Where the commit before this transaction ends; null in the first one that a connector writes. */
  readonly previousCommit: bigint | null
  readonly producer?: Producer | undefined
}

/** The part of a Kafka record that is read. */
export interface EventRecord {
  readonly offset: string
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  readonly batchContext?: Producer | undefined
}

interface Envelope {
  readonly status?: 'BEGIN' | 'END'
  readonly id?: string
  readonly event_count?: number | null
  readonly ts_ms?: number
  readonly op?: string
  readonly before?: Row | null
  readonly after?: Row | null
  readonly source?: {
    readonly schema: string
    readonly table: string
    readonly origin?: string | null
    readonly sequence?: string
  }
  readonly transaction?: { readonly id: string; readonly total_order: number } | null
  readonly message?: { readonly prefix: string; readonly content: string }
}

const OPERATIONS: Readonly<Record<string, 'insert' | 'update' | 'delete'>> = { c: 'insert', u: 'update', d: 'delete' }

/**
 * Reads a record of a connector's topics (Debezium documentation, PostgreSQL connector, "Data change events" and
 * "Transaction metadata").
 * @throws FICUS_CONNECTOR_FAILED on what is no such event.
 */
export function readEvent(record: EventRecord): DebeziumEvent {
  if (record.value === null) return { kind: 'other' }
  const envelope = parseEnvelope(record.value, record.offset)
  const { status, op, transaction, source } = envelope
  const producer = record.batchContext
  if (status !== undefined) return readBoundary(envelope, producer)
  if (op === undefined || source === undefined) return { kind: 'other' }
  if (transaction == null) throw unreadable(record.offset, 'it belongs to no transaction')
  const placed: Placed = {
    transaction: transactionIdOf(transaction.id),
    order: transaction.total_order,
    lsn: lsnOf(transaction.id),
    origin: source.origin ?? null,
    previousCommit: previousCommitOf(source.sequence),
    producer,
  }
  const table = { schema: source.schema, table: source.table }
  if (op === 'm') {
    const { prefix = '', content = '' } = envelope.message ?? {}
    return { kind: 'message', ...placed, prefix, content: Buffer.from(content, 'hex').toString() }
  }
  if (op === 't') return { kind: 'truncate', ...placed, table }
  const operation = OPERATIONS[op]
  if (operation === undefined) throw unreadable(record.offset, `its operation is ${op}`)
  const { headers = {} } = record
  const keyChange = '__debezium.newkey' in headers ? 'old' : '__debezium.oldkey' in headers ? 'new' : null
  const { before = null, after = null } = envelope
  return { kind: 'row', ...placed, operation, table, before, after, keyChange }
}

/** The id is `<xid>:<lsn>`: where it begins in BEGIN, where its commit ends in END, and in an event where that stands. */
function readBoundary(
  { status, id = '', event_count, ts_ms = 0 }: Envelope,
  producer: Producer | undefined,
): DebeziumEvent {
  const transaction = transactionIdOf(id)
  // Where an origin follows, PostgreSQL sends the begin without its place (walsender.c, WalSndPrepareWrite).
  if (status === 'BEGIN') return { kind: 'begin', transaction, lsn: lsnOf(id) || null }
  return { kind: 'end', transaction, endLsn: lsnOf(id), time: ts_ms, events: event_count ?? 0, producer }
}

/** `["<end of the commit before>","<this event>"]`, the first one null where the connector knows of none. */
function previousCommitOf(sequence: string | undefined): bigint | null {
  const digits = sequence === undefined ? undefined : /^\["(\d+)"/.exec(sequence)?.[1]
  return digits === undefined ? null : BigInt(digits)
}

function lsnOf(id: string): bigint {
  return BigInt(id.slice(id.indexOf(':') + 1))
}

function transactionIdOf(id: string): string {
  return id.slice(0, id.indexOf(':'))
}

/** What follows the rows. A quote inside a text is escaped, so that no text looks like this. */
const AFTER_ROWS = ',"source":{'
/** What is read of it, in the order in which Debezium writes it, where nothing is out of the ordinary. */
const REST =
  /^,"source":\{.*?"sequence":"\[(null|\\"\d+\\"),.*?"schema":"([^"\\]*)","table":"([^"\\]*)",.*?"origin":(null|"[^"\\]*"),.*?\},"transaction":\{"id":"(\d+:\d+)","total_order":(\d+),.*?\},"op":"(\w)"/

/**
 * Most of an event tells where it comes from, and little of that is read: looking for it takes a seventh of the time of
 * parsing it.
 */
function parseEnvelope(value: Buffer, offset: string): Envelope {
  const text = value.toString()
  try {
    const end = text.startsWith('{"before":') ? text.lastIndexOf(AFTER_ROWS) : -1
    const rest = end < 0 ? null : readRest(text.slice(end))
    return rest === null ? parseExact(text) : { ...parseExact(`${text.slice(0, end)}}`), ...rest }
  } catch (error) {
    throw unreadable(offset, messageOf(error))
  }
}

function readRest(rest: string): Pick<Envelope, 'op' | 'source' | 'transaction'> | null {
  const found = REST.exec(rest)
  if (found === null) return null
  const [, previous = '', schema = '', table = '', origin = '', id = '', order = '', op = ''] = found
  const by = origin === 'null' ? null : origin.slice(1, -1)
  const sequence = `[${previous.replaceAll('\\', '')}`
  return { op, source: { schema, table, sequence, origin: by }, transaction: { id, total_order: Number(order) } }
}

const LONG_NUMBER = /[:,[]-?\d{16}/

/** JSON whose numbers keep every digit; the slow parser is only asked where one is long enough to lose some. */
function parseExact(text: string): Envelope {
  return (LONG_NUMBER.test(text) ? parseLossless(text, null, exactNumber) : JSON.parse(text)) as Envelope
}

/** An integer as JavaScript holds it whole; what has a fraction or an exponent is a floating point number anyway. */
function exactNumber(digits: string): number | bigint {
  if (!/^-?\d{16,}$/.test(digits)) return Number(digits)
  const whole = BigInt(digits)
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : whole
}

function unreadable(offset: string, why: string): FicusError {
  return new FicusError('FICUS_CONNECTOR_FAILED', `the event at offset ${offset} is not one of Debezium’s: ${why}`, {
    remedy: 'Let nothing else write to the connector’s topic, and leave the connector’s configuration to Ficus.',
  })
}
