import type { TopicsConfig } from '@ficus/core/config/schema'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { createKafkaHarness } from './testing/kafka-harness.ts'

const SOURCE = `
  CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL, description text, tags text[]);
  ALTER TABLE products ALTER description SET STORAGE EXTERNAL;
  CREATE TABLE stock (product_id bigint PRIMARY KEY, units int NOT NULL);
  INSERT INTO products SELECT n, 'product ' || n, n * 1.25, repeat(md5(n::text), 200), ARRAY['a', NULL, 'b"c'] FROM generate_series(1, 1000) n;
  INSERT INTO stock SELECT n, n FROM generate_series(1, 1000) n;
`
const TARGET = `
  CREATE TABLE items (item_id bigint PRIMARY KEY, title text NOT NULL, cents bigint NOT NULL, body text, tags text[]);
  CREATE TABLE shelf (item_id bigint PRIMARY KEY, units int NOT NULL);
`
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'name', cents: '(price * 100)::bigint', body: 'description', tags: 'tags' },
    },
    { source: 'stock', target: 'shelf', key: { product_id: 'item_id' }, forward: { units: 'units' } },
  ],
}

const stack = kafkaStack()

describe.skipIf(stack === null)('the debezium engine', () => {
  const create = (topics: Partial<TopicsConfig>) =>
    createKafkaHarness(stack, createDatabase, SOURCE, TARGET, SYNC, topics)

  it.each<[string, Partial<TopicsConfig>]>([
    ['one topic', {}],
    ['a topic a table', { layout: 'tables', partitions: 3, keys: { 'public.stock': ['units'] } }],
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
  })
})
