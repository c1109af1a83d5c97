import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import {
  BACK_SOURCE,
  BACK_SYNC,
  BACK_TARGET,
  backCaughtUp,
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
