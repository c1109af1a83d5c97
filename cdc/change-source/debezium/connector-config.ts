import type { TopicsConfig } from '@ficus/core/config/schema'
import { parseTableName, type TableName } from '@ficus/core/sql/identifier'
import { TEXT_SETTINGS } from '../../database/session.ts'
import { MARK } from '../marks.ts'
import { routeSettings } from './topic-layout.ts'

/** What a connector's configuration is made of. */
export interface ConnectorInput {
  /** Names the connector, its topic and its offsets; change-source/debezium/connector-name.ts. */
  readonly name: string
  /** The source database as Ficus reaches it. */
  readonly databaseUrl: string
  /** `host` or `host:port`, where Kafka Connect reaches that database by another address. */
  readonly connectDatabaseHost?: string | undefined
  readonly slot: string
  readonly publication: string
  readonly tables: readonly TableName[]
  /** Columns that the mapping does not read, and that so need not travel. */
  readonly unread: readonly { readonly table: TableName; readonly column: string }[]
  readonly topics: Pick<TopicsConfig, 'layout' | 'keys' | 'maxMessageBytes'>
  /** How long Debezium waits before it tries again what may pass, ms. */
  readonly retryMs: number
  /** How long one of the producer's transactions may take, ms: ample for the records of one poll. Kafka's own is 60 s. */
  readonly transactionMs: number
}

export const CONNECTOR_CLASS = 'io.debezium.connector.postgresql.PostgresConnector'
const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter'
/** Kafka's own size of a producer's buffer, bytes. It has to hold the largest message. */
const PRODUCER_BUFFER = 32 * 1024 * 1024

/**
 * The value that stands for one that was not sent (an unchanged TOAST value). The connector's name is part of it, so
 * that no text of a user's is taken for it.
 */
export function placeholderOf(name: string): string {
  return `ficus.unchanged:${name}`
}

/**
 * The configuration of Debezium's PostgreSQL connector, as Kafka Connect's REST interface takes it. The slot and the
 * publication exist, and so do the topics.
 */
export function connectorConfig(input: ConnectorInput): Record<string, string> {
  const { name, slot, publication, tables, unread, topics } = input
  const keys = keysOf(topics.keys, tables)
  const excluded = unread
    .filter(({ table, column }) => keys.every(key => !isSame(key.table, table) || !key.columns.includes(column)))
    .map(({ table, column }) => pattern(table.schema, table.table, column))
    .join(',')
  return {
    'connector.class': CONNECTOR_CLASS,
    'tasks.max': '1',
    ...databaseSettings(input.databaseUrl, input.connectDatabaseHost),

    // The slot is ours, and so is the first copy: Debezium goes on from where the slot stands.
    'plugin.name': 'pgoutput',
    'slot.name': slot,
    'slot.drop.on.stop': 'false',
    'publication.name': publication,
    'publication.autocreate.mode': 'disabled',
    'publish.via.partition.root': 'true',
    'snapshot.mode': 'no_data',
    'offset.mismatch.strategy': 'trust_offset',
    'table.include.list': tables.map(({ schema, table }) => pattern(schema, table)).join(','),
    ...(excluded === '' ? {} : { 'column.exclude.list': excluded }),

    // Values come without loss, or not at all.
    'decimal.handling.mode': 'string',
    'time.precision.mode': 'isostring',
    'interval.handling.mode': 'string',
    'binary.handling.mode': 'hex',
    'hstore.handling.mode': 'json',
    // Debezium misreads what a database or a role with other settings writes, and says nothing.
    'driver.options': textOptions(),
    'include.unknown.datatypes': 'true',
    'event.converting.failure.handling.mode': 'fail',
    'unavailable.value.placeholder': placeholderOf(name),

    // Nothing is left out, and transactions can be put together again.
    'skipped.operations': 'none',
    'tombstones.on.delete': 'false',
    'provide.transaction.metadata': 'true',
    'extended.headers.enabled': 'false',

    'topic.prefix': name,
    ...routeSettings(name, topics.layout),
    ...keySettings(keys),
    'key.converter': JSON_CONVERTER,
    'key.converter.schemas.enable': 'false',
    'value.converter': JSON_CONVERTER,
    'value.converter.schemas.enable': 'false',
    'exactly.once.support': 'required',
    // One that a killed worker left open holds up whoever reads committed records, for so long.
    'producer.override.transaction.timeout.ms': String(input.transactionMs),
    // Each poll is one of the producer's transactions: nothing comes after it that would be worth waiting for.
    'producer.override.linger.ms': '0',
    'producer.override.max.request.size': String(topics.maxMessageBytes),
    'producer.override.buffer.memory': String(Math.max(PRODUCER_BUFFER, 2 * topics.maxMessageBytes)),

    // What Debezium takes for passing it would try again for ever, and Kafka Connect calls that running. A database that
    // is started again is back by then; what has failed is told of with its reason, and restarted by whoever reads.
    'errors.max.retries': '10',
    'retriable.restart.connector.wait.ms': String(input.retryMs),

    'poll.interval.ms': '10',
    'max.batch.size': '8192',
    'max.queue.size': '32768',
    'max.queue.size.in.bytes': String(64 * 1024 * 1024),
    // While sync is down nobody else writes marks, and an idle slot would hold the log of the whole server.
    'heartbeat.interval.ms': '10000',
    'heartbeat.action.query': `SELECT pg_logical_emit_message(true, '${MARK.HEARTBEAT}', '')`,
  }
}

/** The settings on which the text form of a value depends, as PostgreSQL's command line takes them. */
function textOptions(): string {
  return Object.entries(TEXT_SETTINGS)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', String.raw`\ `)}`)
    .join(' ')
}

function databaseSettings(databaseUrl: string, otherHost: string | undefined): Record<string, string> {
  const url = new URL(databaseUrl)
  const address = otherHost === undefined ? url : new URL(`postgres://${otherHost}`)
  const sslMode = url.searchParams.get('sslmode')
  return {
    'database.hostname': address.hostname,
    'database.port': address.port || url.port || '5432',
    'database.user': decodeURIComponent(url.username),
    'database.password': decodeURIComponent(url.password),
    'database.dbname': decodeURIComponent(url.pathname.slice(1)),
    ...(sslMode === null ? {} : { 'database.sslmode': sslMode }),
  }
}

interface TableKey {
  readonly table: TableName
  readonly columns: readonly string[]
}

function keysOf(keys: TopicsConfig['keys'], tables: readonly TableName[]): TableKey[] {
  return Object.entries(keys)
    .map(([name, columns]) => ({ table: parseTableName(name), columns }))
    .filter(key => tables.some(table => isSame(table, key.table)))
}

function isSame(one: TableName, other: TableName): boolean {
  return one.schema === other.schema && one.table === other.table
}

/** `message.key.columns`: `<table>:<column>,<column>;…`, where a table's key is not its primary key. */
function keySettings(keys: readonly TableKey[]): Record<string, string> {
  const entries = keys.map(({ table, columns }) => `${pattern(table.schema, table.table)}:${columns.join(',')}`)
  return entries.length === 0 ? {} : { 'message.key.columns': entries.join(';') }
}

/** A regular expression that matches one qualified name; a comma would separate two of them. */
function pattern(...parts: readonly string[]): string {
  return parts.map(part => part.replaceAll(/[^\p{L}\p{N}_]/gu, String.raw`\$&`)).join(String.raw`\.`)
}
