import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { retryParked } from '../apply/retry-parked.ts'
import type { ChangeSourceFactory } from '../change-source/change-source.ts'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { leavingOut } from '../testing/leaving-out.ts'
import { CAPABILITY, createHarness, LEDGER, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, tags text[], sizes jsonb, hidden boolean NOT NULL DEFAULT false);
  ALTER TABLE products ALTER COLUMN sizes SET STORAGE EXTERNAL;
  INSERT INTO products SELECT n, 'product ' || n, CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY['a' || n, NULL, 'c'] END,
    jsonb_build_array(jsonb_build_object('id', n, 'size', 'S'), jsonb_build_object('id', n + 1, 'size', repeat('x', 5000)))
  FROM generate_series(1, 20) n;
`
const TARGET = `
  CREATE TABLE items (item_id int PRIMARY KEY, label text NOT NULL);
  CREATE TABLE product_tags (product_id bigint, position int, name text, seen int NOT NULL DEFAULT 0, PRIMARY KEY (product_id, position));
  CREATE TABLE product_sizes (product text, id int, size text NOT NULL, label text NOT NULL, PRIMARY KEY (product, id));
`
/** One source table as rows of its own, as rows of its array, and as rows of its document, with a filter and a computed key. */
const SYNC: SyncInput = {
  tables: [
    { source: 'products', target: 'items', key: { id: 'item_id' }, forward: { label: 'name' } },
    {
      source: 'products',
      target: 'product_tags',
      key: { id: 'product_id' },
      each: { rows: 'unnest(products.tags) WITH ORDINALITY AS tag(name, position)', key: { position: 'tag.position' } },
      forward: { name: 'tag.name' },
    },
    {
      source: 'products',
      target: 'product_sizes',
      key: { id: { to: 'product', forward: `'P' || products.id` } },
      where: 'NOT hidden',
      each: { rows: 'jsonb_to_recordset(sizes) AS s(id int, size text) -- of the document', key: { id: 's.id' } },
      forward: { size: 's.size', label: `upper(products.name) || ' ' || s.size` },
    },
  ],
}

const TAGS = 'SELECT product_id, position, name FROM product_tags ORDER BY 1, 2'
const SIZES = 'SELECT product, id, size, label FROM product_sizes ORDER BY 1, 2'

async function expectMapped(sync: SyncHarness, after: string): Promise<void> {
  await sync.caughtUp()
  expect(await sync.onTarget(TAGS), after).toEqual(
    await sync.onSource(
      `SELECT id::bigint AS product_id, position::int, tag AS name
       FROM products, unnest(tags) WITH ORDINALITY AS t (tag, position) ORDER BY 1, 2`,
    ),
  )
  expect(await sync.onTarget(SIZES), after).toEqual(
    await sync.onSource(
      `SELECT 'P' || products.id AS product, s.id, s.size, upper(name) || ' ' || s.size AS label
       FROM products, jsonb_to_recordset(sizes) AS s (id int, size text) WHERE NOT hidden ORDER BY 1, 2`,
    ),
  )
  expect(await sync.onTarget('SELECT * FROM items ORDER BY 1'), after).toEqual(
    await sync.onSource('SELECT id AS item_id, name AS label FROM products ORDER BY 1'),
  )
}

const CHANGES = [
  `INSERT INTO products VALUES (100, 'new', '{x,y}', '[{"id": 1, "size": "M"}]'), (101, 'none', NULL, NULL)`,
  `UPDATE products SET tags = tags[2:] || 'z'::text`,
  `UPDATE products SET name = name || '!' WHERE id < 8`,
  'UPDATE products SET sizes = sizes - 0 WHERE id > 8',
  'UPDATE products SET id = id + 500 WHERE id < 8',
  'UPDATE products SET hidden = NOT hidden WHERE id < 15',
  'BEGIN; UPDATE products SET hidden = NOT hidden; UPDATE products SET hidden = false WHERE id < 15; COMMIT',
  'DELETE FROM products WHERE id > 10 AND id < 15',
  `BEGIN; DELETE FROM products WHERE id = 9; INSERT INTO products VALUES (9, 'again', '{q}', '[]'); COMMIT`,
  `BEGIN; TRUNCATE products; INSERT INTO products VALUES (3, 'again', '{q}', NULL); COMMIT`,
]

const postgres: ChangeSourceFactory = options => new PostgresSource(options)

it.each([
  ['as they come', postgres],
  ['read back, as through Kafka', leavingOut(postgres, new Set(['tags', 'sizes']))],
])('invariant 3: one source row becomes several target rows, whatever becomes of it (%s)', async (_values, engine) => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming({ engine })
  await expectMapped(sync, 'the first copy')
  for (const change of CHANGES) {
    await sync.onSource(change)
    await expectMapped(sync, change)
  }
  expect(await sync.onTarget(TAGS)).toHaveLength(1)
})

it('leaves what only the target has, of rows that stay', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.onTarget('UPDATE product_tags SET seen = 7')
  await sync.onSource(`UPDATE products SET tags = ARRAY['first', 'second', 'third', 'fourth'] WHERE id = 2`)
  await expectMapped(sync, 'a longer array')
  expect(await sync.onTarget('SELECT name, seen FROM product_tags WHERE product_id = 2 ORDER BY position')).toEqual([
    { name: 'first', seen: 7 },
    { name: 'second', seen: 7 },
    { name: 'third', seen: 7 },
    { name: 'fourth', seen: 0 },
  ])
})

it('invariant 11: parks a row that becomes two of one key, and takes it with the change that mends it', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const pipeline = await sync.streaming()
  await sync.onSource(`
    UPDATE products SET sizes = '[{"id": 3, "size": "S"}, {"id": 3, "size": "S"}]' WHERE id = 3;
    UPDATE products SET name = 'other' WHERE id = 4`)
  await sync.caughtUp()
  expect(pipeline.status().parked).toBe(1)
  expect(await sync.onTarget('SELECT key, plain_reason FROM ficus.parked')).toEqual([
    {
      key: { id: '3' },
      plain_reason:
        'tables[2].each gives two rows of public.product_sizes with the same product, id: each.key has to tell apart what one row of public.products becomes',
    },
  ])
  expect(await sync.onTarget('SELECT label FROM items WHERE item_id = 4')).toEqual([{ label: 'other' }])

  await sync.onSource(`UPDATE products SET sizes = '[{"id": 3, "size": "S"}]' WHERE id = 3`)
  await sync.caughtUp()
  const { source, target } = sync
  const key = { capability: CAPABILITY, direction: 'forward' as const, ledger: LEDGER }
  await retryParked({ ...key, source, target, sync: parseSync(SYNC), by: 'ada' }, 'all')
  await expectMapped(sync, 'the retry')
})

it('invariant 13: says of a first copy that makes two rows of one key what has to tell them apart', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onSource(`UPDATE products SET sizes = '[{"id": 3, "size": "S"}, {"id": 3, "size": "M"}]' WHERE id = 3`)
  const pipeline = sync.pipeline()
  await pipeline.start()
  await vi.waitFor(() => expect(pipeline.status().state).toBe('failed'), 20_000)
  expect(pipeline.status().error?.message).toMatch(
    /product_sizes_pkey.*; tables\[2\]\.each\.key has to tell apart what one row of public\.products becomes$/,
  )
})

it('reads the rows beside the stream where such a mapping is added, or gives others than before', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const [items, tags, sizes] = SYNC.tables
  if (items === undefined || tags?.each === undefined || sizes === undefined) throw new TypeError('three mappings')
  const sampled = { ...tags, each: { ...tags.each, rows: 'unnest(tags[3:]) WITH ORDINALITY AS tag(name, position)' } }
  await (await sync.streaming({ sync: parseSync({ tables: [items] }) })).stop()
  await sync.onSource(`UPDATE products SET tags = '{x,y,z}', hidden = id > 5 WHERE id < 10`)
  const added = await sync.streaming({ sync: parseSync({ tables: [items, sampled, sizes] }) })
  await sync.onSource('DELETE FROM products WHERE id = 7')
  const names = () => sync.onTarget('SELECT DISTINCT name FROM product_tags ORDER BY 1')
  await vi.waitFor(async () => expect(await names()).toEqual([{ name: 'c' }, { name: 'z' }]), 20_000)
  await added.stop()
  await sync.streaming()
  await vi.waitFor(() => expectMapped(sync, 'other rows'), { timeout: 30_000, interval: 100 })
})
