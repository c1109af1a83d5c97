import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresSource } from '@ficus/cdc/change-source/postgres/postgres-source'
import type { Endpoint } from '@ficus/cdc/database/session'
import { parseSync } from '@ficus/cdc/mapping/parse-sync'
import { Pipeline } from '@ficus/cdc/pipeline/pipeline'
import { addReadings, COPIES, READINGS, READINGS_SYNC } from '@ficus/cdc/testing/planted-differences'
import { connect } from '@ficus/core/ledger/connection'
import { startThrowAwayPostgres } from '@ficus/deploy/testing/cluster'

export const CAPABILITY = 'readings'

/** Two clusters with equal rows, between which sync streams. */
export interface Readings {
  readonly source: Endpoint
  readonly target: Endpoint
  onTarget(sql: string): Promise<void>
}

const SETTINGS = { fsync: 'off', full_page_writes: 'off', autovacuum: 'off', shared_buffers: '1GB' }

export async function openReadings(rows: number, resources: AsyncDisposableStack): Promise<Readings> {
  const clusters = await Promise.all([startThrowAwayPostgres(SETTINGS), startThrowAwayPostgres(SETTINGS)])
  for (const cluster of clusters) resources.defer(() => cluster.stop())
  const [from, to] = clusters
  const source = { url: await from.createDatabase('shop'), name: 'the source' }
  const target = { url: await to.createDatabase('service'), name: 'the target' }
  await run(source, `${READINGS}; ${addReadings(1, rows)}; ANALYZE readings`)
  await run(source, 'VACUUM readings')
  await run(target, COPIES)
  const pipeline = new Pipeline({
    capability: CAPABILITY,
    direction: 'forward',
    ledger: '00000000-0000-4000-8000-000000000001',
    source,
    target,
    sync: parseSync(READINGS_SYNC),
    engine: options => new PostgresSource(options),
    batchRows: 20_000,
    copyWorkers: 2,
  })
  resources.defer(() => pipeline.stop())
  await pipeline.start()
  while (pipeline.status().state !== 'streaming') {
    if (pipeline.status().state === 'failed') throw new Error(pipeline.status().error?.message)
    await sleep(50)
  }
  await run(target, 'VACUUM ANALYZE copies')
  return { source, target, onTarget: sql => run(target, sql) }
}

async function run({ url, name }: Endpoint, sql: string): Promise<void> {
  const client = await connect(url, name)
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
