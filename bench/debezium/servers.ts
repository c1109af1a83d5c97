import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@ficus/core/ledger/connection'
import type { Server } from '@ficus/deploy/native/child'
import { startConnect } from '@ficus/deploy/native/connect'
import { startKafka } from '@ficus/deploy/native/kafka'
import type { PostgresServer } from '@ficus/deploy/native/postgres'
import { startThrowAwayPostgres } from '@ficus/deploy/testing/cluster'
import { temporaryFolder } from '@ficus/deploy/testing/temporary-folder'
import type { Client } from 'pg'

/** The servers that both contenders share. */
export interface Servers {
  readonly source: PostgresServer
  readonly target: PostgresServer
  readonly kafka: Server
  readonly connect: Server
  readonly brokers: readonly string[]
  readonly connectUrl: string
}

/** A database, and a session with it. */
export interface Database {
  readonly url: string
  readonly client: Client
}

/** The same for both: nothing waits for a disk, and nothing works in the background. */
const SETTINGS = { autovacuum: 'off', shared_buffers: '512MB', checkpoint_timeout: '1h' }
/** Lag is counted from the source's commits. */
const SOURCE_SETTINGS = { ...SETTINGS, track_commit_timestamp: 'on', logical_decoding_work_mem: '256MB' }

/** Starts a source and a target cluster, Kafka, and Kafka Connect with both of Debezium's connectors. */
export async function startServers(resources: AsyncDisposableStack, tell: (line: string) => void): Promise<Servers> {
  const dir = await temporaryFolder()
  resources.defer(() => rm(dir, { recursive: true, force: true }))
  const started = async <T extends { stop(): Promise<void> }>(what: string, starting: Promise<T>): Promise<T> => {
    tell(`starting ${what}`)
    const server = await starting
    resources.defer(() => server.stop())
    return server
  }
  const source = await started('the source', startThrowAwayPostgres(SOURCE_SETTINGS))
  const target = await started('the target', startThrowAwayPostgres(SETTINGS))
  const kafka = await started('Kafka', startKafka({ dir: join(dir, 'kafka'), port: 0, heap: '1g', progress: tell }))
  const plugins = ['debezium-postgres', 'debezium-jdbc'] as const
  const { bootstrapServers } = kafka
  const options = { dir: join(dir, 'connect'), port: 0, bootstrapServers, heap: '2g', plugins, progress: tell }
  const worker = await started('Kafka Connect', startConnect(options))
  return { source, target, kafka, connect: worker, brokers: [bootstrapServers], connectUrl: worker.url }
}

/** Makes a database with what `sql` makes in it. */
export async function createDatabase(
  server: PostgresServer,
  name: string,
  sql: string,
  resources: AsyncDisposableStack,
): Promise<Database> {
  const url = await server.createDatabase(name)
  const client = await connect(url, name)
  resources.defer(() => client.end())
  await client.query(sql)
  return { url, client }
}
