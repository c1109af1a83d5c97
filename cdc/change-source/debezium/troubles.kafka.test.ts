import type { TopicsConfig } from '@ficus/core/config/schema'
import type { SyncStatus } from '@ficus/core/ledger/records'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import type { SyncInput } from '../../mapping/define-sync.ts'
import { parseSync } from '../../mapping/parse-sync.ts'
import type { Pipeline } from '../../pipeline/pipeline.ts'
import { ConnectClient } from './connect-client.ts'
import { DebeziumSource } from './debezium-source.ts'
import { createKafkaHarness, type KafkaHarness } from './testing/kafka-harness.ts'

const SOURCE = `
  CREATE TABLE things (id int PRIMARY KEY, note varchar(10), day date, spare text);
  INSERT INTO things SELECT n, 'note ' || n, '2026-01-01' FROM generate_series(1, 100) n;
`
const TARGET = 'CREATE TABLE copies (id bigint PRIMARY KEY, note text, day text, extra int)'
const sync = (forward: Record<string, string>): SyncInput => ({
  tables: [{ source: 'things', target: 'copies', key: { id: 'id' }, forward }],
})
const SYNC = sync({ note: 'note', day: 'day::text' })
const TABLES: Partial<TopicsConfig> = { layout: 'tables', partitions: 2 }

const stack = kafkaStack()

describe.skipIf(stack === null)('through Kafka', () => {
  const create = (topics: Partial<TopicsConfig> = {}) =>
    createKafkaHarness(stack, createDatabase, SOURCE, TARGET, SYNC, topics)

  it('invariant 3: a connector that somebody pauses, changes or removes is told of and set right', async () => {
    await using harness = await create(TABLES)
    const seen: SyncStatus[] = []
    await harness.streaming({ onStatus: status => seen.push(status) })
    await harness.caughtUp()
    const url = `${harness.debezium.connectUrl}/connectors/${await connectorOf(harness)}`
    const config = await new ConnectClient(harness.debezium.connectUrl).config(await connectorOf(harness))
    const headers = { 'content-type': 'application/json' }
    const skips = JSON.stringify({ ...config, 'skipped.operations': 't' })
    for (const [request, told] of [
      [() => fetch(`${url}/pause`, { method: 'PUT' }), 'somebody has paused it'],
      [() => fetch(`${url}/config`, { method: 'PUT', headers, body: skips }), 'configuration: skipped.operations'],
      [() => fetch(url, { method: 'DELETE' }), 'it was removed from Kafka Connect'],
    ] as const) {
      expect((await request()).ok).toBe(true)
      await harness.onSource(`INSERT INTO things SELECT max(id) + 1, 'while away' FROM things`)
      await vi.waitFor(
        () => expect(seen.map(({ error }) => error?.message)).toContainEqual(expect.stringContaining(told)),
        {
          timeout: 60_000,
        },
      )
      await harness.caughtUp()
    }
    await harness.expectEqual()
    expect(await harness.onTarget(`SELECT count(*)::int AS rows FROM copies WHERE note = 'while away'`)).toEqual([
      { rows: 3 },
    ])
  })

  it('invariant 11: an event that is too large stops sync, which says what to raise, and goes on then', async () => {
    // Above what Kafka takes by itself.
    const most = 2_000_000
    await using harness = await create({ ...TABLES, maxMessageBytes: most })
    const pipeline = await harness.streaming()
    await harness.onSource('ALTER TABLE things ALTER note TYPE text')
    const insert = (id: number, length: number) =>
      harness.onSource(`INSERT INTO things VALUES (${id}, repeat('x', ${length}))`)
    await insert(1000, most * 0.9)
    await harness.caughtUp()
    await insert(1001, most * 2)
    await insert(1002, most * 0.9)
    const error = await stops(pipeline, 'FICUS_CONNECTOR_FAILED')
    expect(error?.message).toMatch(/RecordTooLargeException: The message is \d+ bytes/)
    expect(error?.remedy).toContain('cdc.topics.maxMessageBytes')
    const late = 'SELECT id, length(note) FROM copies WHERE id >= 1000 ORDER BY id'
    expect(await harness.onTarget(late)).toEqual([{ id: '1000', length: most * 0.9 }])
    const topics = { ...harness.debezium.topics, maxMessageBytes: most * 2.1 }
    await harness.streaming({ engine: options => new DebeziumSource(options, { ...harness.debezium, topics }) })
    await harness.caughtUp()
    await harness.expectEqual()
    expect((await harness.onTarget(late)).map(({ length }) => length)).toEqual([most * 0.9, most * 2, most * 0.9])
  })

  it('invariant 13: columns come, go and grow wider while it streams', async () => {
    await using harness = await create()
    await harness.streaming()
    await harness.onSource('ALTER TABLE things ADD added int; ALTER TABLE things DROP spare')
    await harness.onSource(`UPDATE things SET added = id, note = 'with' WHERE id < 10`)
    await harness.onSource('ALTER TABLE things ALTER note TYPE text, ALTER id TYPE bigint')
    await harness.onSource(`INSERT INTO things (id, note) VALUES (5000000000, 'a note of more than ten letters')`)
    await harness.caughtUp()
    await harness.expectEqual()
    // No event has what becomes of the values that are there.
    await harness.onSource('ALTER TABLE things ALTER note TYPE text USING upper(note)')
    await vi.waitFor(
      async () => expect(await harness.onTarget(`SELECT FROM copies WHERE note <> upper(note)`)).toEqual([]),
      { timeout: 60_000, interval: 100 },
    )
    // Mapped from now on.
    await Promise.all(harness.pipelines.map(pipeline => pipeline.stop()))
    const mapped = parseSync(sync({ note: 'note', day: 'day::text', extra: 'added' }))
    await harness.streaming({ sync: mapped })
    await harness.onSource('UPDATE things SET added = id WHERE id < 200')
    await harness.caughtUp()
    expect(await harness.onTarget('SELECT count(*)::int AS rows FROM copies WHERE extra = id')).toEqual([{ rows: 100 }])
  })

  it('invariant 13: a type of which events may mean something else stops sync, with what to do', async () => {
    await using harness = await create()
    const pipeline = await harness.streaming()
    await harness.onSource('ALTER TABLE things ALTER day TYPE timestamp')
    await harness.onSource(`INSERT INTO things (id, day) VALUES (1000, '2026-01-02 03:04')`)
    const error = await stops(pipeline, 'FICUS_SOURCE_CHANGED')
    expect(error?.message).toContain('things.day was date and is now timestamp without time zone')
    expect(await harness.onTarget('SELECT * FROM copies WHERE id = 1000')).toEqual([])
    // Nor does another process read it, which never saw the column as it was.
    const again = harness.pipeline()
    await again.start()
    expect((await stops(again, 'FICUS_SOURCE_CHANGED'))?.message).toContain('things.day was date')
  })

  it('invariant 13: a mapped column that is renamed stops sync, and after sync.ts was adapted it goes on', async () => {
    await using harness = await create(TABLES)
    const pipeline = await harness.streaming()
    await harness.onSource(`UPDATE things SET note = 'old' WHERE id = 1`)
    await harness.onSource('ALTER TABLE things RENAME note TO remark')
    await harness.onSource(`UPDATE things SET remark = 'new' WHERE id = 2`)
    const error = await stops(pipeline, 'FICUS_SOURCE_CHANGED')
    expect(error?.message).toContain('note')
    expect(error?.remedy).toContain('sync file')
    expect(await harness.onTarget('SELECT note FROM copies WHERE id < 3 ORDER BY id')).toEqual([
      { note: 'old' },
      { note: 'note 2' },
    ])
    const adapted = await harness.streaming({ sync: parseSync(sync({ note: 'remark', day: 'day::text' })) })
    await harness.caughtUp()
    expect(await harness.onTarget('SELECT note FROM copies WHERE id < 3 ORDER BY id')).toEqual([
      { note: 'old' },
      { note: 'new' },
    ])
    expect(adapted.status().error).toBeNull()
  })

  it('invariant 13: a table that is renamed stops sync, which says to copy anew: Debezium leaves its changes out', async () => {
    await using harness = await create()
    const pipeline = await harness.streaming()
    await harness.onSource(`ALTER TABLE things RENAME TO goods; UPDATE goods SET note = 'renamed'`)
    expect((await stops(pipeline, 'FICUS_SOURCE_CHANGED'))?.remedy).toContain('copies anew')
    const [table] = SYNC.tables
    const adapted = parseSync({ tables: table === undefined ? [] : [{ ...table, source: 'goods' }] })
    const again = harness.pipeline({ sync: adapted })
    await again.start()
    const error = await stops(again, 'FICUS_SOURCE_CHANGED')
    expect(error?.message).toContain('public.things is called public.goods now: Debezium left its changes out')
    expect(error?.remedy).toContain('copies anew')
    await again.drop()
    await harness.streaming({ sync: adapted })
    await harness.caughtUp()
    expect(await harness.onTarget('SELECT DISTINCT note FROM copies')).toEqual([{ note: 'renamed' }])
  })

  it('invariants 11, 13: an interval that Debezium cannot read is told of, and nothing after it is applied', async () => {
    await using harness = await create()
    const seen: SyncStatus[] = []
    await harness.streaming({ onStatus: status => seen.push(status) })
    await harness.onSource('ALTER TABLE things ADD took interval')
    await harness.onSource(`INSERT INTO things (id, took) VALUES (1000, '2147483647 hours')`)
    await harness.onSource(`INSERT INTO things (id, took) VALUES (1001, '2147483648 hours'), (1002, NULL)`)
    const told = () => seen.find(({ error }) => error?.code === 'FICUS_CONNECTOR_FAILED')
    await vi.waitFor(() => expect(told()?.error?.message).toContain('"2147483648"'), { timeout: 90_000 })
    expect(await harness.onTarget('SELECT id FROM copies WHERE id > 1000')).toEqual([])
  })

  it('invariant 13: a sync that runs keeps its layout', async () => {
    await using harness = await create()
    const pipeline = await harness.streaming()
    await harness.caughtUp()
    await pipeline.stop()
    const topics = { ...harness.debezium.topics, ...TABLES }
    const other = harness.pipeline({ engine: options => new DebeziumSource(options, { ...harness.debezium, topics }) })
    await other.start()
    expect((await stops(other, 'FICUS_CONFIG_INVALID'))?.remedy).toContain(`'single'`)
  })
})

async function connectorOf({ debezium }: KafkaHarness): Promise<string> {
  const connectors = await new ConnectClient(debezium.connectUrl).list()
  return [...connectors.keys()].find(name => name.startsWith(debezium.topicPrefix)) ?? ''
}

/** Waits until the pipeline has failed with an error of this code. */
async function stops(pipeline: Pipeline, code: string): Promise<SyncStatus['error']> {
  await vi.waitFor(() => expect(pipeline.status()).toMatchObject({ state: 'failed', error: { code } }), {
    timeout: 90_000,
    interval: 50,
  })
  return pipeline.status().error
}
