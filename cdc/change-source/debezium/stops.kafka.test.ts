import type { SyncStatus } from '@ficus/core/ledger/records'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { describe, expect, it, vi } from 'vitest'
import { withSession } from '../../database/session.ts'
import type { SyncInput } from '../../mapping/define-sync.ts'
import type { Pipeline } from '../../pipeline/pipeline.ts'
import type { PipelineOptions } from '../../pipeline/pipeline-options.ts'
import { PostgresSource } from '../postgres/postgres-source.ts'
import { ConnectClient } from './connect-client.ts'
import { stopConnector } from './connector.ts'
import { DebeziumSource } from './debezium-source.ts'
import { KafkaTopics } from './kafka-topics.ts'
import { createKafkaHarness, type KafkaHarness } from './testing/kafka-harness.ts'

const SOURCE = `
  CREATE TYPE mood AS ENUM ('good', 'bad');
  CREATE TABLE things (id int PRIMARY KEY, note text, moods mood[]);
  CREATE TABLE clocks (clock timetz PRIMARY KEY, id int);
  INSERT INTO things SELECT n, 'note ' || n FROM generate_series(1, 100) n;
`
const TARGET = `
  CREATE TABLE copies (id int PRIMARY KEY, note text, moods text[]);
  CREATE TABLE times (clock timetz PRIMARY KEY, id int);
`
const SYNC: SyncInput = {
  tables: [
    { source: 'things', target: 'copies', key: { id: 'id' }, forward: { note: 'note', moods: 'moods::text[]' } },
  ],
}

const stack = kafkaStack()

describe.skipIf(stack === null)('the debezium engine stops or waits, and says why', () => {
  const create = (sync = SYNC) => createKafkaHarness(stack, createDatabase, SOURCE, TARGET, sync)

  it('invariant 13: waits for a Kafka Connect that is down, and names its address', async () => {
    await using sync = await create()
    const debezium = { ...sync.debezium, connectUrl: 'http://127.0.0.1:1' }
    const pipeline = sync.pipeline({ engine: options => new DebeziumSource(options, debezium) })
    await pipeline.start()
    const status = await tells(pipeline, 'FICUS_KAFKA_UNREACHABLE')
    expect(status).toMatchObject({ state: 'waiting', copiedRows: 100 })
    expect(status.error?.message).toContain('Kafka Connect at http://127.0.0.1:1 does not answer')
    await pipeline.stop()
    await sync.streaming()
    await sync.caughtUp()
    await sync.expectEqual()
  })

  it('invariant 13: waits for a Kafka that is down, and names its brokers', async () => {
    await using sync = await create()
    const debezium = { ...sync.debezium, brokers: ['127.0.0.1:1'] }
    const pipeline = sync.pipeline({ engine: options => new DebeziumSource(options, debezium) })
    await pipeline.start()
    const status = await tells(pipeline, 'FICUS_KAFKA_UNREACHABLE')
    expect(status.error?.message).toContain('Kafka at 127.0.0.1:1')
  })

  it('invariant 13: shows why Kafka Connect refuses a connector: a wrong password', async () => {
    await using sync = await create()
    await using elsewhere = await startTestPostgres()
    await elsewhere.createDatabase(new URL(sync.source.url).pathname.slice(1))
    await withSession({ url: elsewhere.url(), name: 'the other server' }, client =>
      client.query(`ALTER ROLE postgres PASSWORD 'another'`),
    )
    // Kafka Connect reaches another server than Ficus does, with the password of Ficus's.
    const debezium = { ...sync.debezium, connectDatabaseHost: new URL(elsewhere.url()).host }
    const pipeline = sync.pipeline({ engine: options => new DebeziumSource(options, debezium) })
    await pipeline.start()
    const { error } = await tells(pipeline, 'FICUS_CONNECTOR_FAILED')
    expect(error?.message).toContain('password authentication failed for user "postgres"')
    expect(error?.message.length).toBeLessThan(1_000)
  })

  it('invariant 11: a task that fails is told of with its reason and restarted, and nothing is skipped', async () => {
    await using sync = await create()
    const seen: SyncStatus[] = []
    // Nobody looks at the topics meanwhile.
    const pace = { retryMs: 200, transactionMs: 5_000, watchMs: 500, releaseMs: 600_000 }
    const engine: PipelineOptions['engine'] = options => new DebeziumSource(options, { ...sync.debezium, pace })
    await sync.streaming({ engine, onStatus: status => seen.push(status) })
    await sync.caughtUp()
    // A compacted topic takes no record without a key, and a truncation has none.
    await changeTopic(sync, compact)
    await sync.onSource(
      `INSERT INTO things VALUES (1000, 'before'); TRUNCATE things; INSERT INTO things VALUES (1, 'after')`,
    )
    await sync.caughtUp()
    const failures = seen.filter(({ error }) => error?.code === 'FICUS_CONNECTOR_FAILED')
    expect(failures.map(({ state }) => state)).toContain('waiting')
    expect(failures[0]?.error?.message).toContain('InvalidRecordException')
    expect(await sync.onTarget('SELECT id, note FROM copies')).toEqual([{ id: 1, note: 'after' }])
  })

  it('invariants 3, 13: sets a topic right that somebody changed, and stops at one with more partitions', async () => {
    await using sync = await create()
    const seen: SyncStatus[] = []
    const pipeline = await sync.streaming({ onStatus: status => seen.push(status) })
    await sync.caughtUp()
    await changeTopic(sync, compact)
    const told = () => seen.map(({ state, error }) => `${state}: ${error?.message}`).join('\n')
    await vi.waitFor(() => expect(told()).toMatch(/waiting: .* has changed cleanup.policy of topic/), {
      timeout: 60_000,
    })
    await sync.onSource(`TRUNCATE things; INSERT INTO things VALUES (1, 'after')`)
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT id, note FROM copies')).toEqual([{ id: 1, note: 'after' }])
    await changeTopic(sync, (admin, topic) => admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }))
    const { error, state } = await tells(pipeline, 'FICUS_SLOT_LOST')
    expect(state).toBe('failed')
    expect(error?.message).toMatch(/somebody has given topic .* 2 partitions, and only one keeps changes in order/)
    await pipeline.drop()
    await sync.streaming()
    await sync.caughtUp()
    await sync.expectEqual()
  })

  it('invariant 13: refuses a key of a type that Debezium does not pass on whole', async () => {
    await using sync = await create({
      tables: [{ source: 'clocks', target: 'times', key: { clock: 'clock' }, forward: { id: 'id' } }],
    })
    const pipeline = sync.pipeline()
    await pipeline.start()
    const { error, state } = await tells(pipeline, 'FICUS_MAPPING_INVALID')
    expect(state).toBe('failed')
    expect(error?.message).toContain('cannot carry public.clocks: its key has clock')
    expect(error?.message).toContain('time with time zone')
  })

  it('invariant 3: refuses to go on with the other engine while Kafka holds changes', async () => {
    await using sync = await create()
    const pipeline = await sync.streaming()
    await sync.caughtUp()
    await pipeline.stop()
    const other = sync.pipeline({ engine: options => new PostgresSource(options) })
    await other.start()
    expect((await tells(other, 'FICUS_CONFIG_INVALID')).state).toBe('failed')
  })

  it('invariant 3: goes on from where the other engine stands', async () => {
    await using sync = await create()
    const other = await sync.streaming({ engine: options => new PostgresSource(options) })
    await sync.onSource(`UPDATE things SET note = note || '!'`)
    await sync.caughtUp()
    await other.stop()
    await sync.onSource(`DELETE FROM things WHERE id < 10; UPDATE things SET id = 500 WHERE id = 50`)
    await sync.streaming()
    await sync.caughtUp()
    await sync.expectEqual()
  })

  it('invariant 3: says so when the topic was lost', async () => {
    await using sync = await create()
    const pipeline = await sync.streaming()
    await sync.caughtUp()
    await pipeline.stop()
    const [stored] = await sync.onTarget(
      `SELECT jsonb_object_keys(position -> 'offsets') AS partition FROM ficus.progress`,
    )
    const connector = String(stored?.partition).replace(/:0$/, '')
    await stopConnector(new ConnectClient(sync.debezium.connectUrl), connector)
    await new KafkaTopics(sync.debezium.brokers, connector).deleteAll()
    const again = sync.pipeline()
    await again.start()
    const { error } = await tells(again, 'FICUS_SLOT_LOST')
    expect(error?.message).toMatch(/was to be read from \d+ on, but/)
  })

  it('invariant 3: says so when the slot was lost under the connector', async () => {
    await using sync = await create()
    const pipeline = await sync.streaming()
    await sync.onSource(`UPDATE things SET note = 'before' WHERE id = 1`)
    await sync.caughtUp()
    const ofThis = 'FROM pg_replication_slots WHERE database = current_database()'
    // The connector takes it again in no time.
    const drop = async () => {
      await sync.onSource(`SELECT pg_terminate_backend(active_pid) ${ofThis} AND active`)
      await sync.onSource(`SELECT pg_drop_replication_slot(slot_name) ${ofThis}`)
    }
    await vi.waitFor(drop, { timeout: 20_000, interval: 1 })
    await sync.onSource(`INSERT INTO things VALUES (101, 'after')`)
    expect(await tells(pipeline, 'FICUS_SLOT_LOST')).toMatchObject({ state: 'failed' })
    expect(await sync.onTarget('SELECT FROM copies WHERE id = 101')).toEqual([])
  })

  it('invariants 3, 11: what a connector left out of a transaction stops sync, and a first copy brings it', async () => {
    await using sync = await create()
    const pipeline = await sync.streaming()
    await sync.caughtUp()
    // Published, and unknown to the connector: as if it had been restarted right behind the begin.
    const [row] = await sync.onSource('SELECT pubname FROM pg_publication')
    await sync.onSource(`ALTER PUBLICATION ${String(row?.pubname)} ADD TABLE clocks`)
    await withSession(sync.source, async client => {
      await client.query(`BEGIN; INSERT INTO clocks VALUES ('12:00', 1)`)
      await sync.onSource(`INSERT INTO things VALUES (1000, 'before')`)
      await client.query(`INSERT INTO things VALUES (1001, 'of the same transaction'); COMMIT`)
    })
    const { error, state } = await tells(pipeline, 'FICUS_SLOT_LOST')
    expect(state).toBe('failed')
    expect(error?.message).toMatch(/is not all that was committed: transaction \d+ begins at/)
    expect(await sync.onTarget('SELECT id FROM copies WHERE id = 1001')).toEqual([])
    await pipeline.drop()
    await sync.streaming()
    await sync.caughtUp()
    await sync.expectEqual()
  })

  it('invariant 10: drop leaves no connector, topic, slot or publication', async () => {
    await using sync = await create()
    const pipeline = await sync.streaming()
    await sync.caughtUp()
    const connect = new ConnectClient(sync.debezium.connectUrl)
    const ours = async () =>
      [...(await connect.list()).keys()].filter(name => name.startsWith(sync.debezium.topicPrefix))
    const [name = ''] = await ours()
    const topics = new KafkaTopics(sync.debezium.brokers, name)
    expect((await topics.bounds([name])).size).toBe(1)
    expect(await pipeline.drop()).toEqual({ existed: true })
    expect(await ours()).toEqual([])
    expect(await topics.bounds([name])).toEqual(new Map())
    const left = `SELECT slot_name AS name FROM pg_replication_slots WHERE database = current_database() UNION ALL SELECT pubname FROM pg_publication`
    expect(await sync.onSource(left)).toEqual([])
    expect(await sync.onTarget('SELECT * FROM copies')).toEqual([])
    await sync.streaming()
    await sync.caughtUp()
    await sync.expectEqual()
  })
})

/** Does something to the sync's topic. */
async function changeTopic({ debezium }: KafkaHarness, change: (admin: Admin, topic: string) => Promise<unknown>) {
  const admin = new Kafka({ brokers: [...debezium.brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await change(admin, (await admin.listTopics()).find(topic => topic.startsWith(debezium.topicPrefix)) ?? '')
  await admin.disconnect()
}

async function compact(admin: Admin, name: string): Promise<void> {
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name, configEntries }] })
}

/** Waits until the pipeline shows an error of this code. */
async function tells(pipeline: Pipeline, code: string): Promise<SyncStatus> {
  await vi.waitFor(() => expect(pipeline.status().error?.code).toBe(code), { timeout: 60_000, interval: 20 })
  return pipeline.status()
}
