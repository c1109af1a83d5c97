import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicsConfig } from '@ficus/core/config/schema'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, it, vi } from 'vitest'
import { retryParked } from '../../apply/retry-parked.ts'
import { withSession } from '../../database/session.ts'
import { diffCapability } from '../../diff/diff-capability.ts'
import { repairRows } from '../../diff/repair.ts'
import type { SyncInput } from '../../mapping/define-sync.ts'
import { parseSync } from '../../mapping/parse-sync.ts'
import { NOTE_TRIGGER, NOTED_SYNC, NOTED_TARGET, notedSource } from '../../testing/noted-writes.ts'
import { addReadings, COPIES, plantedDifferences, READINGS, READINGS_SYNC } from '../../testing/planted-differences.ts'
import { CAPABILITY, LEDGER, reaches } from '../../testing/sync-harness.ts'
import { ConnectClient } from './connect-client.ts'
import { KafkaTopics } from './kafka-topics.ts'
import { createKafkaHarness, type KafkaHarness } from './testing/kafka-harness.ts'

const SOURCE = `
  CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL, description text, tags text[]);
  ALTER TABLE products ALTER description SET STORAGE EXTERNAL;
  CREATE TABLE stock (product_id bigint PRIMARY KEY, units int NOT NULL);
  INSERT INTO products SELECT n, 'product ' || n, n * 1.25, repeat(md5(n::text), 200), ARRAY['a', NULL, 'b"c'] FROM generate_series(1, 1000) n;
  INSERT INTO stock SELECT n, n FROM generate_series(1, 1000) n;
`
const TARGET = `
  CREATE TABLE items (
    item_id bigint PRIMARY KEY, title text NOT NULL, cents bigint NOT NULL CONSTRAINT not_negative CHECK (cents >= 0), body text, tags text[]
  );
  CREATE TABLE shelf (item_id bigint PRIMARY KEY, units int NOT NULL);
`
const PRODUCTS = {
  source: 'products',
  target: 'items',
  key: { id: 'item_id' },
  forward: { title: 'name', cents: '(price * 100)::bigint', body: 'description', tags: 'tags' },
}
const STOCK = { source: 'stock', target: 'shelf', key: { product_id: 'item_id' }, forward: { units: 'units' } }
const SYNC: SyncInput = { tables: [PRODUCTS, STOCK] }

/** The same rows, made in Node. */
const BY_FUNCTION: SyncInput = {
  tables: [
    {
      ...PRODUCTS,
      columns: { forward: Object.keys(PRODUCTS.forward) },
      forward: ({ name = null, price = null, description = null, tags = null }) => ({
        title: name,
        cents: BigInt((price ?? '0').replace('.', '')),
        body: description,
        tags,
      }),
    },
  ],
}

const stack = kafkaStack()

/** Of neither Kafka nor Ficus the default. */
const SEGMENT = 40 * 1024 * 1024

describe.skipIf(stack === null)('the debezium engine', () => {
  const create = (topics: Partial<TopicsConfig>, mapping = SYNC) =>
    createKafkaHarness(stack, createDatabase, SOURCE, TARGET, mapping, topics)

  it.each<[string, Partial<TopicsConfig>]>([
    ['one topic', {}],
    [
      'a topic a table',
      { layout: 'tables', partitions: 3, keys: { 'public.stock': ['units'] }, segmentBytes: SEGMENT },
    ],
  ])('invariant 3: copies, then streams every kind of change, while writes go on: %s', async (_, topics) => {
    await using sync = await create(topics)
    let writing = true
    const writes = (async () => {
      for (let n = 10_000; writing; n++) {
        await sync.onSource('INSERT INTO products VALUES ($1, $2, 3.5)', [n, `new ${n}`])
        await sync.onSource('BEGIN')
        await sync.onSource('UPDATE products SET price = price + 1 WHERE id = $1', [(n % 1000) + 1])
        await sync.onSource('UPDATE stock SET units = units - 1 WHERE product_id = $1', [(n % 1000) + 1])
        await sync.onSource('COMMIT')
        await sync.onSource('DELETE FROM products WHERE id = $1', [n - 5])
      }
    })()
    const pipeline = await sync.streaming()
    await sync.caughtUp()
    writing = false
    await writes
    await sync.onSource(`UPDATE products SET id = id + 100000 WHERE id < 50`)
    await sync.onSource(`UPDATE products SET name = name || '!' WHERE id BETWEEN 100 AND 200`)
    await sync.onSource(
      `UPDATE products SET description = repeat(md5(id::text || '!'), 200) WHERE id BETWEEN 150 AND 250`,
    )
    await sync.onSource(`TRUNCATE stock; INSERT INTO stock VALUES (7, 7)`)
    await sync.caughtUp()
    await sync.expectEqual()
    expect(pipeline.status()).toMatchObject({ engine: 'debezium', state: 'streaming', error: null })
    expect(await sync.onTarget('SELECT * FROM shelf')).toEqual([{ item_id: '7', units: 7 }])
    if (topics.layout === 'tables') await expectLaidOut(sync)
  })

  it('invariant 3: reads a table that is added to a running capability, while its rows change', async () => {
    await using sync = await create({ layout: 'tables', partitions: 2 })
    await (await sync.streaming({ sync: parseSync({ tables: [PRODUCTS] }) })).stop()
    let writing = true
    const writes = (async () => {
      for (let n = 1; writing; n++) {
        await sync.onSource('UPDATE stock SET units = units + 1 WHERE product_id = $1', [(n * 37) % 1000])
        await sync.onSource('UPDATE stock SET product_id = product_id + 5000 WHERE product_id = $1', [(n * 11) % 1000])
        await sync.onSource('DELETE FROM stock WHERE product_id = $1', [(n * 13) % 1000])
        await sync.onSource('INSERT INTO stock VALUES ($1, 1)', [n + 10_000])
        // Debezium is slower than a loop of statements; what piles up would only make the test long.
        await sleep(5)
      }
    })()
    try {
      const pipeline = sync.pipeline({ batchRows: 100 })
      const connect = new ConnectClient(sync.debezium.connectUrl)
      const [name = ''] = [...(await connect.list()).keys()].filter(one => one.startsWith(sync.debezium.topicPrefix))
      await withSession(sync.source, async client => {
        await client.query('BEGIN; LOCK TABLE stock IN SHARE UPDATE EXCLUSIVE MODE')
        await pipeline.start()
        // It would leave out changes of a table that is published and that it does not know.
        await vi.waitFor(async () => expect(await connect.status(name)).toMatchObject({ state: 'STOPPED' }), {
          timeout: 60_000,
        })
        await client.query('COMMIT')
      })
      // On a busy machine Kafka Connect takes its time to run a connector with another configuration.
      await reaches(pipeline, 'streaming', 150_000)
      expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([])
    } finally {
      writing = false
      await writes
    }
    await sync.onSource(`UPDATE products SET name = 'after' WHERE id = 1; DELETE FROM stock WHERE product_id = 1000`)
    await sync.caughtUp()
    await sync.expectEqual()
    expect(await sync.onTarget('SELECT FROM ficus.parked')).toEqual([])
  })

  it('invariants 3, 11: a function makes the rows, and a change that the target refuses is parked and retried', async () => {
    await using sync = await create({}, BY_FUNCTION)
    await sync.streaming()
    await sync.onSource(
      `BEGIN; UPDATE products SET price = -1 WHERE id = 7; UPDATE products SET price = 5 WHERE id = 8; COMMIT`,
    )
    await sync.onSource(`UPDATE products SET name = 'later', tags = '{x}' WHERE id IN (7, 8)`)
    await sync.caughtUp()
    const parked = `SELECT key, reason, sqlstate, event -> 'after' ->> 'price' AS price FROM ficus.parked ORDER BY id`
    expect(await sync.onTarget(parked)).toEqual([
      { key: { id: '7' }, reason: expect.stringContaining('not_negative'), sqlstate: '23514', price: '-1.00' },
      { key: { id: '7' }, reason: null, sqlstate: null, price: '-1.00' },
    ])
    const rows = 'SELECT item_id::int, title, cents::int FROM items WHERE item_id IN (7, 8) ORDER BY 1'
    expect(await sync.onTarget(rows)).toEqual([
      { item_id: 7, title: 'product 7', cents: 875 },
      { item_id: 8, title: 'later', cents: 500 },
    ])
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT not_negative')
    const { source, target } = sync
    const where = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER, source, target } as const
    expect(await retryParked({ ...where, sync: parseSync(BY_FUNCTION), by: 'a test' }, 'all')).toMatchObject({
      refused: [],
    })
    expect(await sync.onTarget(parked)).toEqual([])
    await sync.onSource(`INSERT INTO products VALUES (2000, E'a\\t\\\\N', 3.5); DELETE FROM products WHERE id = 8`)
    await sync.caughtUp()
    await sync.expectEqual()
  })

  it('each difference that was planted is found while writes go on, and repaired', async () => {
    const planted = plantedDifferences(2_000)
    const source = `${READINGS}; ${addReadings(1, 2_000)}`
    await using sync = await createKafkaHarness(stack, createDatabase, source, COPIES, READINGS_SYNC)
    await sync.streaming()
    await sync.onTarget(planted.map(({ sql }) => sql).join('; '))
    const ends = { source: sync.source, target: sync.target, sync: parseSync(READINGS_SYNC) }
    const key = { capability: CAPABILITY, direction: 'forward' } as const
    const touched = new Set(planted.map(({ id }) => id))
    let writing = true
    const writes = (async () => {
      for (let n = 1; writing; n++) {
        const id = (n * 37) % 2_000
        if (!touched.has(id)) await sync.onSource(`UPDATE readings SET note = 'round ${n}' WHERE id = $1`, [id])
        await sleep(5)
      }
    })()
    try {
      const compare = () => diffCapability({ ...key, ...ends, mode: 'recheck', timeoutMs: 60_000 })
      const found = await compare()
      const byId = (one: { id: string }, other: { id: string }) => Number(one.id) - Number(other.id)
      const named = (found.tables[0]?.differing ?? []).map(({ key, kind, columns }) => ({
        id: key.copy_id ?? '',
        kind,
        columns,
      }))
      expect(named.toSorted(byId)).toEqual(
        planted.map(({ id, kind, columns }) => ({ id: String(id), kind, columns })).toSorted(byId),
      )
      expect(await repairRows({ ...key, ledger: LEDGER, ...ends, timeoutMs: 60_000 }, found.tables)).toMatchObject([
        { repaired: planted.length, left: 0 },
      ])
      expect(await compare()).toMatchObject({ equal: true })
    } finally {
      writing = false
      await writes
    }
  })

  it('invariant 3: goes on by itself where another consumer takes a partition away, and nothing is applied twice', async () => {
    await using sync = await createKafkaHarness(stack, createDatabase, notedSource(100), NOTED_TARGET, NOTED_SYNC, {
      layout: 'tables',
      partitions: 2,
    })
    const states: string[] = []
    const pipeline = await sync.streaming({ onStatus: ({ state }) => states.push(state) })
    await sync.onTarget(NOTE_TRIGGER)
    const kafka = new Kafka({ brokers: [...sync.debezium.brokers], logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    // It may stream before Kafka lists its group.
    const group = await vi.waitUntil(
      async () => {
        const { groups } = await admin.listGroups()
        return groups.find(({ groupId }) => groupId.startsWith(sync.debezium.topicPrefix))?.groupId
      },
      { timeout: 20_000, interval: 50 },
    )
    const topic = (await admin.listTopics()).find(
      name => name.startsWith(sync.debezium.topicPrefix) && name.endsWith('.products'),
    )
    let version = 1
    const write = () => sync.onSource(`UPDATE products SET version = ${++version}, name = 'written'`)
    await write()
    states.length = 0
    const intruder = kafka.consumer({ groupId: group })
    await intruder.connect()
    await intruder.subscribe({ topic: topic ?? '' })
    await intruder.run({ eachMessage: async () => {} })
    await vi.waitFor(
      async () => {
        await write()
        expect(states).toContain('waiting')
      },
      { timeout: 60_000, interval: 200 },
    )
    await write()
    await Promise.all([intruder.disconnect(), admin.disconnect()])
    await reaches(pipeline, 'streaming', 60_000)
    await write()
    await sync.caughtUp()
    const twice = 'SELECT item_id, version FROM writes GROUP BY 1, 2 HAVING count(*) > 1'
    expect(await sync.onTarget(twice)).toEqual([])
    expect(await sync.onTarget(`SELECT count(*)::int AS rows FROM items WHERE version = ${version}`)).toEqual([
      { rows: 100 },
    ])
  })
})

/** That a table's topic is as the config says, and that Kafka forgets what the target has. */
async function expectLaidOut({ debezium, onSource }: KafkaHarness): Promise<void> {
  const connectors = [...(await new ConnectClient(debezium.connectUrl).list()).keys()]
  const topics = new KafkaTopics(debezium.brokers, connectors.find(one => one.startsWith(debezium.topicPrefix)) ?? '')
  const topic = `${topics.name}.public.stock`
  const bounds = await topics.bounds([topic])
  expect(bounds.size).toBe(3)
  const config = { 'segment.bytes': String(SEGMENT), 'retention.ms': '-1' }
  expect(await topics.differing([{ topic, config }])).toBeNull()
  await vi.waitFor(
    async () => {
      const firsts = [...(await topics.bounds([topic])).values()].map(({ first }) => first)
      expect(firsts.some(first => first > 0n)).toBe(true)
    },
    { timeout: 40_000, interval: 500 },
  )
  const ended = new AbortController()
  const keys = new Set<string>()
  const from = new Map([...(await topics.bounds([topic]))].map(([partition, { end }]) => [partition, end]))
  const reading = topics.read({
    from,
    fetchBytes: 100_000,
    signal: ended.signal,
    take: (_, messages) => {
      for (const { key } of messages) keys.add(Object.keys(JSON.parse(String(key))).join())
    },
  })
  await onSource('UPDATE stock SET units = 8')
  await vi.waitFor(() => expect([...keys]).toEqual(['units']), { timeout: 40_000, interval: 100 })
  ended.abort()
  await reading
}
