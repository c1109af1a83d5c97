import type { CdcConfig } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { type Flow, sourceTables } from '../mapping/flow.ts'
import { columnsOf } from '../mapping/flow-columns.ts'
import type { ChangeSourceFactory } from './change-source.ts'
import { DebeziumSource } from './debezium/debezium-source.ts'
import { readTable } from './debezium/table-reader.ts'
import { PostgresSource } from './postgres/postgres-source.ts'

/**
 * The engine that the config names. Nothing but this knows which there are.
 * @throws FICUS_CONFIG_INVALID where the engine needs addresses that the config does not have.
 */
export function chooseEngine(cdc: CdcConfig): ChangeSourceFactory {
  if (cdc.engine === 'postgres') return options => new PostgresSource(options)
  const { kafka, connect, topicPrefix, topics, connectDatabaseHost } = cdc
  if (kafka === undefined || connect === undefined) {
    const missing = [
      kafka === undefined ? 'cdc.kafka.brokers' : [],
      connect === undefined ? 'cdc.connect.url' : [],
    ].flat()
    throw new FicusError('FICUS_CONFIG_INVALID', `the engine debezium needs ${missing.join(' and ')}`, {
      remedy: `Add ${missing.join(' and ')} to ficus.config.ts, or set cdc.engine to 'postgres'.`,
    })
  }
  const debezium = { brokers: kafka.brokers, connectUrl: connect.url, topicPrefix, topics, connectDatabaseHost }
  return options => new DebeziumSource(options, debezium)
}

/**
 * Asserts that the engine passes on what the flows need of their tables.
 * @param source a session with the database that they read.
 * @throws FICUS_MAPPING_INVALID
 */
export async function assertCarriable(
  engine: CdcConfig['engine'],
  source: Client,
  flows: readonly Flow[],
): Promise<void> {
  if (engine === 'postgres') return
  for (const table of sourceTables(flows)) await readTable(source, table, columns => columnsOf(flows, table, columns))
}
