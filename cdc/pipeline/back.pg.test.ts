import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { diffCapability } from '../diff/diff-capability.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import {
  BACK_SOURCE,
  BACK_SYNC,
  BACK_TARGET,
  backCaughtUp,
  backOf,
  MONOLITH,
  startBack,
  WAY_BACK,
} from '../testing/back-mapping.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const TABLES = ['orders', 'order_lines', 'products'] as const

function create(): Promise<SyncHarness> {
  return createHarness(createDatabase, BACK_SOURCE, BACK_TARGET, BACK_SYNC)
}

async function expectBack(sync: SyncHarness): Promise<void> {
  await backCaughtUp(sync)
  for (const table of TABLES)
    expect(await sync.onSource(MONOLITH[table]), table).toEqual(await sync.onTarget(WAY_BACK[table]))
}

/** All rows of the monolith, and by whom each was written last. */
async function storedRows(sync: SyncHarness): Promise<unknown[]> {
  const rows: unknown[] = []
  for (const table of TABLES) rows.push(await sync.onSource(`SELECT xmin::text, * FROM ${table} ORDER BY 2, 3`))
  return rows
}

const text = fc.constantFrom('a', 'b', `it's`, '', 'ü"\\{}', 'x'.repeat(5000))
const orNull = fc.option(text)
const order = fc.record({
  currency: text,
  lines: fc.uniqueArray(fc.record({ no: fc.integer({ min: 1, max: 5 }), sku: orNull, count: fc.nat(9) }), {
    selector: ({ no }) => no,
    maxLength: 4,
  }),
  tags: fc.array(orNull, { maxLength: 4 }),
})

it('invariant 3: rows that became a document, and an array that became rows, come back as they were (property)', async () => {
  await using sync = await create()
  await sync.streaming()
  let last = 0
  await fc.assert(
    fc.asyncProperty(fc.array(order, { minLength: 20, maxLength: 40 }), async orders => {
      const rows = JSON.stringify(orders.map(row => ({ ...row, id: ++last })))
      await sync.onSource(
        `INSERT INTO orders SELECT id, currency FROM jsonb_to_recordset($1) AS o (id int, currency text)`,
        [rows],
      )
      await sync.onSource(
        `INSERT INTO order_lines SELECT id, no, sku, count FROM jsonb_to_recordset($1) AS o (id int, lines jsonb),
         jsonb_to_recordset(lines) AS l (no int, sku text, count int)`,
        [rows],
      )
      await sync.onSource(
        'INSERT INTO products SELECT id, currency, tags FROM jsonb_to_recordset($1) AS o (id int, currency text, tags text[])',
        [rows],
      )
      await sync.caughtUp()
      const before = await storedRows(sync)
      const reverse = await startBack(sync)
      // Every row of the service is written again, so every row goes back; not even an equal one is written there.
      await sync.onTarget(
        'UPDATE documents SET lines = lines; UPDATE items SET title = title; UPDATE item_tags SET name = name',
      )
      await backCaughtUp(sync)
      expect(await storedRows(sync)).toEqual(before)
      await reverse.drop()
    }),
    { numRuns: 2, endOnFailure: true },
  )
}, 180_000)

/** Few keys, so that rows meet. */
const id = fc.integer({ min: 1, max: 4 })
const quoted = text.map(value => `'${value.replaceAll(`'`, `''`)}'`)
const lines = order.map(row => `'${JSON.stringify(row.lines).replaceAll(`'`, `''`)}'`)

function sql(strings: TemplateStringsArray, ...parts: fc.Arbitrary<string | number>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts).map(values => String.raw({ raw: strings }, ...values))
}

const statement = fc.oneof(
  sql`INSERT INTO documents VALUES (${id}, ${quoted}, ${lines}) ON CONFLICT DO NOTHING`,
  sql`UPDATE documents SET lines = ${lines} WHERE order_no = ${id}`,
  sql`UPDATE documents SET currency = ${quoted} WHERE order_no = ${id}`,
  sql`UPDATE documents SET order_no = ${id} WHERE order_no = ${id}`,
  sql`DELETE FROM documents WHERE order_no = ${id}`,
  sql`INSERT INTO items VALUES (${id}, ${quoted}) ON CONFLICT DO NOTHING`,
  sql`INSERT INTO item_tags VALUES (${id}, ${id}, ${quoted}) ON CONFLICT DO NOTHING`,
  sql`UPDATE item_tags SET name = ${quoted} WHERE position = ${id}`,
  sql`UPDATE item_tags SET item_id = ${id}, position = ${id} WHERE item_id = ${id} AND position = ${id}`,
  sql`UPDATE items SET item_id = ${id} WHERE item_id = ${id}`,
  sql`DELETE FROM item_tags WHERE item_id = ${id}`,
  sql`DELETE FROM items WHERE item_id = ${id}`,
  sql`TRUNCATE ${fc.constantFrom('documents', 'items', 'item_tags')}`,
)
/** What violates a constraint is undone alone, so that the transaction goes on. */
const transaction = fc
  .array(statement, { minLength: 1, maxLength: 8 })
  .map(statements =>
    statements.map(each => `DO $do$ BEGIN ${each}; EXCEPTION WHEN integrity_constraint_violation THEN NULL; END $do$`),
  )

it('invariant 3: whatever the service writes, the monolith holds what the way back makes of it (property)', async () => {
  await using sync = await create()
  await sync.onSource(
    `INSERT INTO orders VALUES (1, 'a'); INSERT INTO order_lines VALUES (1, 1, 'b', 3), (1, 4, NULL, 0)`,
  )
  await sync.onSource(`INSERT INTO products VALUES (1, 'a', '{b,c}'), (2, 'b', DEFAULT)`)
  const forward = await sync.streaming()
  await sync.caughtUp()
  await forward.stop()
  const reverse = await startBack(sync)
  await fc.assert(
    fc.asyncProperty(fc.array(transaction, { minLength: 1, maxLength: 6 }), async transactions => {
      for (const statements of transactions) await sync.onTarget(`BEGIN; ${statements.join('; ')}; COMMIT`)
      await expectBack(sync)
    }),
    // What one history leaves behind is where the next begins, so a shrunk one would not be the same.
    { numRuns: 25, interruptAfterTimeLimit: 20_000, endOnFailure: true },
  )
  expect(reverse.status().parked).toBe(0)
}, 180_000)

it('invariant 3: a value that the way back looks up follows the row that it is looked up in', async () => {
  const brand = '(SELECT b.name FROM brands b WHERE b.id = items.brand_id)'
  const shown = 'coalesce((SELECT b.shown FROM brands b WHERE b.id = items.brand_id), true)'
  const mapping = {
    tables: [{ source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name' } }],
    back: [
      {
        source: 'items',
        target: 'products',
        key: { item_id: 'id' },
        where: shown,
        reads: { brands: { id: 'brand_id' } },
        forward: { name: 'title', brand },
      },
    ],
  }
  await using sync = await createHarness(
    createDatabase,
    `CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, brand text);
     INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 9) n`,
    `CREATE TABLE items (item_id int PRIMARY KEY, title text NOT NULL, brand_id int);
     CREATE TABLE brands (id int PRIMARY KEY, name text NOT NULL, shown boolean NOT NULL DEFAULT true)`,
    mapping,
  )
  await (await sync.streaming()).stop()
  await sync.onTarget(`INSERT INTO brands VALUES (1, 'one'), (2, 'two'); UPDATE items SET brand_id = item_id % 3`)
  let reverse = await startBack(sync, parseSync(mapping))
  // What flowed before reverse began is not of its making.
  await sync.onTarget('UPDATE items SET title = title')
  const histories: Record<string, readonly string[]> = {
    'another row is looked up': ['UPDATE items SET brand_id = 2 WHERE item_id = 1'],
    'the looked up row changes later': [`UPDATE brands SET name = 'renamed' WHERE id = 1`],
    'the looked up row comes later': [
      `INSERT INTO items VALUES (20, 'early', 7); UPDATE items SET brand_id = 7 WHERE item_id = 2`,
      `INSERT INTO brands VALUES (7, 'seven')`,
    ],
    'and later in its transaction': [
      `BEGIN; INSERT INTO items VALUES (21, 'with it', 8); INSERT INTO brands VALUES (8, 'eight'); UPDATE brands SET name = '8' WHERE id = 8; COMMIT`,
    ],
    'it changes, and at once nobody looks there': [
      `BEGIN; UPDATE brands SET name = 'left' WHERE id = 7; UPDATE items SET brand_id = 1 WHERE brand_id = 7; COMMIT`,
    ],
    'its key changes, and another takes its place': [
      `UPDATE brands SET id = 9 WHERE id = 2`,
      `INSERT INTO brands VALUES (2, 'in its place')`,
    ],
    'it makes rows leave, and lets them come back': [
      `UPDATE brands SET shown = false WHERE id = 1`,
      `UPDATE items SET title = 'unseen' WHERE brand_id = 1`,
      `UPDATE brands SET shown = true WHERE id = 1`,
    ],
    'it goes': [`DELETE FROM brands WHERE id = 1`],
    'all go, and some come again': [`TRUNCATE brands`, `INSERT INTO brands VALUES (1, 'again'), (2, 'too')`],
  }
  const expected = `SELECT item_id AS id, title AS name, ${brand} AS brand FROM items WHERE ${shown} ORDER BY 1`
  for (const [history, statements] of Object.entries(histories)) {
    for (const statement of statements) {
      await sync.onTarget(statement)
      await backCaughtUp(sync)
      const rows = await sync.onSource('SELECT id, name, brand FROM products ORDER BY 1')
      expect(rows, history).toEqual(await sync.onTarget(expected))
    }
    expect(reverse.status().parked).toBe(0)
  }
  await reverse.stop()
  await sync.onTarget(`UPDATE brands SET name = 'while away' WHERE id = 2`)
  reverse = await startBack(sync, parseSync(mapping))
  await backCaughtUp(sync)
  expect(await sync.onSource('SELECT id, name, brand FROM products ORDER BY 1')).toEqual(await sync.onTarget(expected))
  expect(await diffCapability(backOf(sync, parseSync(mapping)))).toMatchObject({ equal: true })
})

it('leaves what only the monolith has, and rows of keys that the service never had', async () => {
  await using sync = await create()
  await sync.onSource(
    `INSERT INTO orders VALUES (1, 'a'), (2, 'b'); INSERT INTO order_lines VALUES (1, 1, 'b', 3, 'kept'), (2, 1, 'c', 1, DEFAULT)`,
  )
  const forward = await sync.streaming()
  await forward.stop()
  await sync.onTarget('DELETE FROM documents WHERE order_no = 2')
  await startBack(sync)
  await sync.onTarget(`UPDATE documents SET lines = '[{"no": 1, "sku": "new", "count": 2}, {"no": 2, "count": 1}]'`)
  await backCaughtUp(sync)
  expect(await sync.onSource('SELECT order_id, line_no, sku, count, remark FROM order_lines ORDER BY 1, 2')).toEqual([
    { order_id: 1, line_no: 1, sku: 'new', count: 2, remark: 'kept' },
    { order_id: 1, line_no: 2, sku: null, count: 1, remark: 'of the monolith' },
    { order_id: 2, line_no: 1, sku: 'c', count: 1, remark: 'of the monolith' },
  ])
})

it('leaves single rows of the monolith that the service does not have, where `within` says so', async () => {
  const [documents, ...others] = BACK_SYNC.tables
  const [lines, products] = BACK_SYNC.back ?? []
  if (documents === undefined || lines === undefined || products === undefined) throw new TypeError('all are there')
  const within = `remark <> 'internal' AND order_id > 0`
  const sync = parseSync({ tables: [documents, ...others], back: [{ ...lines, within }, products] })
  await using harness = await create()
  await harness.onSource(`INSERT INTO orders VALUES (1, 'a'), (2, 'b')`)
  await harness.onSource(
    `INSERT INTO order_lines VALUES (1, 7, 'own', 1, 'internal'), (2, 7, 'own', 1, 'internal'), (2, 1, 'b', 1, DEFAULT)`,
  )
  await harness.onTarget(`INSERT INTO documents VALUES (1, 'a', '[]'), (2, 'b', '[{"no": 1, "sku": "b", "count": 1}]')`)
  await startBack(harness, sync)
  await harness.onTarget(`
    UPDATE documents SET lines = '[{"no": 2, "sku": "new", "count": 2}]' WHERE order_no = 1;
    UPDATE documents SET lines = '[]' WHERE order_no = 2`)
  await backCaughtUp(harness)
  expect(await harness.onSource('SELECT order_id, line_no, sku FROM order_lines ORDER BY 1, 2')).toEqual([
    { order_id: 1, line_no: 2, sku: 'new' },
    { order_id: 1, line_no: 7, sku: 'own' },
    { order_id: 2, line_no: 7, sku: 'own' },
  ])
})
