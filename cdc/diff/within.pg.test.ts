import { ownCluster } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { backOf, startBack } from '../testing/back-mapping.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { type DiffReport, diffCapability } from './diff-capability.ts'
import { repairRows } from './repair.ts'

const createDatabase = ownCluster()

const SOURCE = `
  CREATE TABLE shelves (id int PRIMARY KEY, open boolean NOT NULL);
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, kind text NOT NULL DEFAULT 'book', shelf int NOT NULL DEFAULT 1);
  CREATE TABLE prices (product_id int, country text, cents int NOT NULL, PRIMARY KEY (product_id, country));
  INSERT INTO shelves VALUES (1, true), (2, false);
  INSERT INTO products SELECT n, 'product ' || n, CASE WHEN n % 3 = 0 THEN 'toy' ELSE 'book' END, 1 + n % 2 FROM generate_series(1, 60) n;
  INSERT INTO prices SELECT n, country, n * 100 FROM generate_series(1, 60) n, unnest(ARRAY['de', 'fr']) AS country;
`
const TARGET = `
  CREATE TABLE items (item_id int PRIMARY KEY, title text NOT NULL, prices jsonb NOT NULL);
`
/** Books on open shelves alone are the service's. */
const SYNC: SyncInput = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      reads: { shelves: { id: 'shelf' }, prices: { product_id: 'id' } },
      where: `kind = 'book' AND EXISTS (SELECT FROM shelves s WHERE s.id = products.shelf AND s.open)`,
      forward: {
        title: 'name',
        prices: `(SELECT coalesce(jsonb_object_agg(p.country, p.cents), '{}') FROM prices p WHERE p.product_id = products.id)`,
      },
      reverse: { name: 'title' },
    },
  ],
  back: [
    {
      source: 'items',
      target: 'prices',
      key: { item_id: 'product_id' },
      each: { rows: 'jsonb_each_text(prices) AS price(country, cents)', key: { country: 'price.country' } },
      forward: { cents: 'price.cents::int' },
      within: `EXISTS (SELECT FROM public.products p JOIN public.shelves s ON s.id = p.shelf AND s.open WHERE p.id = prices.product_id AND p.kind = 'book')`,
    },
  ],
}

const NOT_THE_SERVICES = `
  SELECT id, name, kind, (SELECT count(*)::int FROM prices WHERE product_id = id) AS prices
  FROM products WHERE kind <> 'book' OR shelf = 2 ORDER BY id`

async function startReverse(sync: SyncHarness) {
  await (await sync.streaming()).stop()
  const mapping = parseSync(SYNC)
  await startBack(sync, mapping)
  return { ...backOf(sync, mapping), timeoutMs: 40_000 }
}

function found({ tables }: DiffReport): unknown {
  return tables.flatMap(({ differing }) => differing.map(({ key, kind }) => [kind, ...Object.values(key)])).toSorted()
}

it.each(['exact', 'recheck'] as const)(
  'leaves alone what the service never had, when reverse is compared and repaired (%s)',
  async mode => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const options = await startReverse(sync)
    const others = await sync.onSource(NOT_THE_SERVICES)
    expect(others).toHaveLength(40)
    expect(await diffCapability({ ...options, mode })).toMatchObject({ equal: true })

    await sync.onSource(`
      DELETE FROM products WHERE id = 2; UPDATE products SET name = 'lost' WHERE id = 4;
      INSERT INTO products (id, name) VALUES (1000, 'of nobody'); DELETE FROM prices WHERE product_id = 8 AND country = 'fr'`)
    const report = await diffCapability({ ...options, mode })
    expect(found(report)).toEqual([
      ['different', '4'],
      ['extra', '1000'],
      ['missing', '2'],
      // Without the product its prices are not known to be the service's.
      ['missing', '2', 'de'],
      ['missing', '2', 'fr'],
      ['missing', '8', 'fr'],
    ])
    await repairRows(options, report.tables)
    expect(await diffCapability({ ...options, mode })).toMatchObject({ equal: true })
    expect(await sync.onSource(NOT_THE_SERVICES)).toEqual(others)
  },
)

it('invariant 3: a TRUNCATE in the service leaves the rows that it never had', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const options = await startReverse(sync)
  const others = await sync.onSource(NOT_THE_SERVICES)
  await sync.onTarget(`TRUNCATE items; INSERT INTO items VALUES (2, 'again', '{"de": 5}')`)
  await waitUntilCaughtUp(options)
  expect(await sync.onSource(`SELECT id, name FROM products WHERE kind = 'book' AND shelf = 1`)).toEqual([
    { id: 2, name: 'again' },
  ])
  expect(await sync.onSource('SELECT country, cents FROM prices WHERE product_id = 2')).toEqual([
    { country: 'de', cents: 5 },
  ])
  expect(await sync.onSource(NOT_THE_SERVICES)).toEqual(others)
})

it('does not delete a row of the monolith for want of one half of it', async () => {
  const half = { source: 'products', key: { id: 'id' } }
  const input: SyncInput = {
    tables: [
      { ...half, target: 'names', forward: { name: 'name' }, reverse: { name: 'name' } },
      { ...half, target: 'shelved', forward: { shelf: 'shelf' }, reverse: { shelf: 'shelf' } },
    ],
  }
  const halves = `CREATE TABLE names (id int PRIMARY KEY, name text NOT NULL); CREATE TABLE shelved (id int PRIMARY KEY, shelf int NOT NULL)`
  await using sync = await createHarness(
    createDatabase,
    `${SOURCE}; ALTER TABLE products ALTER name DROP NOT NULL`,
    halves,
    input,
  )
  await (await sync.streaming()).stop()
  const mapping = parseSync(input)
  await startBack(sync, mapping)
  const options = { ...backOf(sync, mapping), timeoutMs: 40_000 }
  await sync.onTarget(`DELETE FROM names WHERE id = 7`)
  await waitUntilCaughtUp(options)
  await sync.onSource(`INSERT INTO products VALUES (7, 'kept', 'book', 2)`)
  const report = await diffCapability({ ...options, mode: 'exact' })
  expect(found(report)).toEqual([['extra', '7']])
  const [repaired] = await repairRows(options, report.tables)
  expect(repaired).toMatchObject({ repaired: 0, left: 1 })
  expect(repaired?.reasons).toEqual([expect.stringContaining('public.names has no row for this key')])
  expect(await sync.onSource('SELECT name FROM products WHERE id = 7')).toEqual([{ name: 'kept' }])
})
