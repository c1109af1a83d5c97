import { ConnectClient } from '@ficus/cdc/change-source/debezium/connect-client'
import { runConnector } from '@ficus/cdc/change-source/debezium/connector'
import { CONNECTOR_CLASS } from '@ficus/cdc/change-source/debezium/connector-config'
import type { Servers } from './servers.ts'

const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter'
/** The sink reads types from a schema in each message. */
const CONVERTERS = {
  'key.converter': JSON_CONVERTER,
  'key.converter.schemas.enable': 'true',
  'value.converter': JSON_CONVERTER,
  'value.converter.schemas.enable': 'true',
}
/** Rows in one statement of the sink. Its default of 500 is slower here. */
const BATCH = '5000'

/** Debezium's own way from a topic to a table: a source connector with schemas, and the JDBC sink. */
export class JdbcSink {
  readonly #name: string
  readonly #connect: ConnectClient

  constructor(servers: Servers, name: string) {
    this.#name = name
    this.#connect = new ConnectClient(servers.connectUrl)
  }

  /** The name of its slot and its publication. */
  get slot(): string {
    return this.#name
  }

  /** Begins to fill the sink's topic from its slot. */
  async fill(sourceUrl: string): Promise<void> {
    const url = new URL(sourceUrl)
    await this.#run(`${this.#name}-source`, {
      'connector.class': CONNECTOR_CLASS,
      'database.hostname': url.hostname,
      'database.port': url.port,
      'database.user': url.username,
      'database.password': url.password,
      'database.dbname': url.pathname.slice(1),
      'plugin.name': 'pgoutput',
      'slot.name': this.#name,
      'publication.name': this.#name,
      'publication.autocreate.mode': 'disabled',
      'snapshot.mode': 'no_data',
      'table.include.list': 'public.products',
      'topic.prefix': this.#name,
      'tombstones.on.delete': 'false',
      'poll.interval.ms': '10',
      'max.batch.size': '8192',
      'max.queue.size': '32768',
      ...CONVERTERS,
    })
  }

  /** Begins to write what the topic holds. */
  async drain(targetUrl: string): Promise<void> {
    const url = new URL(targetUrl)
    await this.#run(`${this.#name}-sink`, {
      'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
      topics: `${this.#name}.public.products`,
      'connection.url': `jdbc:postgresql://${url.host}${url.pathname}?reWriteBatchedInserts=true`,
      'connection.username': url.username,
      'connection.password': url.password,
      'insert.mode': 'upsert',
      'delete.enabled': 'true',
      'primary.key.mode': 'record_key',
      'schema.evolution': 'none',
      'collection.name.format': 'products',
      'batch.size': BATCH,
      'consumer.override.max.poll.records': BATCH,
      ...CONVERTERS,
    })
  }

  async stopFilling(): Promise<void> {
    await this.#connect.delete(`${this.#name}-source`)
  }

  async stopDraining(): Promise<void> {
    await this.#connect.delete(`${this.#name}-sink`)
  }

  /** @throws when the sink has failed, with why. */
  async assertWell(): Promise<void> {
    const status = await this.#connect.status(`${this.#name}-sink`)
    if (status?.failure != null) throw new Error(`the JDBC sink has failed: ${status.failure}`)
  }

  async #run(name: string, config: Readonly<Record<string, string>>): Promise<void> {
    await runConnector(this.#connect, name, { 'tasks.max': '1', ...config }, new AbortController().signal)
  }
}
