import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffCapability } from '../diff/diff-capability.ts'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { probeReverse } from '../probe/probe-reverse.ts'
import { CAPABILITY, createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import { beginWithoutCopy } from './begin-without-copy.ts'

const SOURCE = `
  CREATE TABLE products (
    id int PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL DEFAULT 1, stock int NOT NULL DEFAULT 0, deleted_at timestamptz
  );
  INSERT INTO products SELECT n, 'product ' || n, n, n * 10, CASE WHEN n % 5 = 0 THEN now() END FROM generate_series(1, 20) n;
`
const TARGET = `
  CREATE TABLE items (code text PRIMARY KEY, label text NOT NULL, cents bigint NOT NULL, currency text NOT NULL, views int DEFAULT 0);
  CREATE TABLE stock (item_no bigint PRIMARY KEY, on_hand int NOT NULL);
`
/** One table split in two: computed keys, a filter, a constant, computed values; and the way back of one. */
const SYNC: SyncInput = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: { to: 'code', forward: `'P' || id`, reverse: 'substr(code, 2)::int' } },
      where: 'deleted_at IS NULL',
      forward: { label: 'upper(name)', cents: '(price * 100)::bigint', currency: `'EUR'` },
      reverse: { name: 'lower(label)', price: '(cents / 100.0)::numeric(12,2)' },
    },
    {
      source: 'products',
      target: 'stock',
      // Not in the order of the source's key, and still comparable.
      key: { id: { to: 'item_no', forward: '1000 - id' } },
      forward: { on_hand: 'stock' },
    },
  ],
}

async function expectMapped(sync: SyncHarness): Promise<void> {
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT code, label, cents, currency FROM items ORDER BY code')).toEqual(
    await sync.onSource(
      `SELECT 'P' || id AS code, upper(name) AS label, (price * 100)::bigint AS cents, 'EUR' AS currency
       FROM products WHERE deleted_at IS NULL ORDER BY 1`,
    ),
  )
  expect(await sync.onTarget('SELECT item_no, on_hand FROM stock ORDER BY item_no')).toEqual(
    await sync.onSource('SELECT (1000 - id)::bigint AS item_no, stock AS on_hand FROM products ORDER BY 1'),
  )
}

describe('invariant 3: one table split in two, with computed keys, a filter and a constant', () => {
  it.each([
    [`INSERT INTO products (id, name) VALUES (100, 'new'), (101, 'newer')`],
    [`UPDATE products SET name = name || '!', stock = stock + 1`],
    ['UPDATE products SET id = id + 500 WHERE id < 8'],
    ['UPDATE products SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END'],
    ['DELETE FROM products WHERE id > 10'],
    [`BEGIN; TRUNCATE products; INSERT INTO products (id, name) VALUES (3, 'again'); COMMIT`],
  ])('%s', async statement => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.streaming()
    await expectMapped(sync)
    await sync.onSource(statement)
    await expectMapped(sync)
  })
})

it('compares rows whose keys are computed', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  const options = { source: sync.source, target: sync.target, capability: CAPABILITY, direction: 'forward' as const }
  const diff = () => diffCapability({ ...options, sync: parseSync(SYNC) })
  expect((await diff()).equal).toBe(true)
  await sync.onTarget(`UPDATE items SET label = 'other' WHERE code = 'P2'; DELETE FROM stock WHERE item_no = 990`)
  expect((await diff()).tables.map(({ differing }) => differing)).toEqual([
    [{ key: { code: 'P2' }, kind: 'different', columns: ['label'] }],
    [{ key: { item_no: '990' }, kind: 'missing', columns: [] }],
  ])
})

it('there and back gives the same rows, and keys of the service become keys of the monolith (property)', async () => {
  const [items] = SYNC.tables
  if (items === undefined) throw new TypeError('there is a mapping')
  const { where: _, ...bothWays } = items
  const input = { tables: [bothWays] }
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, input)
  await sync.streaming()
  const reversed = { source: sync.target, target: sync.source, direction: 'reverse' as const }
  const begin = { ...reversed, capability: CAPABILITY, sync: parseSync(input), ledger: LEDGER }
  await beginWithoutCopy(begin)
  const reverse = sync.pipeline(reversed)
  await reverse.start()
  await reaches(reverse, 'streaming')

  const id = fc.integer({ min: 1, max: 30 })
  const price = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }).map(cents => (cents / 100).toFixed(2))
  await fc.assert(
    fc.asyncProperty(id, price, id, async (changed, value, removed) => {
      await sync.onSource('UPDATE products SET price = $2 WHERE id = $1', [changed, value])
      await sync.caughtUp()
      const before = await sync.onSource('SELECT * FROM products ORDER BY id')
      await sync.onTarget('UPDATE items SET views = views + 1')
      await waitUntilCaughtUp({ ...reversed, capability: CAPABILITY, timeoutMs: 40_000 })
      expect(await sync.onSource('SELECT * FROM products ORDER BY id')).toEqual(before)

      await sync.onTarget(`DELETE FROM items WHERE code = 'P' || $1::text`, [removed])
      await waitUntilCaughtUp({ ...reversed, capability: CAPABILITY, timeoutMs: 40_000 })
      expect(await sync.onSource('SELECT FROM products WHERE id = $1', [removed])).toEqual([])
    }),
    { numRuns: 10, interruptAfterTimeLimit: 30_000, endOnFailure: true },
  )
}, 120_000)

it('a table that was split comes back whole, and what only one side has survives either way (property)', async () => {
  const input: SyncInput = {
    tables: [
      { source: 'parts', target: 'labels', key: { id: 'id' }, forward: { label: 'name' }, reverse: { name: 'label' } },
      { source: 'parts', target: 'shelves', key: { id: 'id' }, forward: { held: 'stock' }, reverse: { stock: 'held' } },
    ],
  }
  await using sync = await createHarness(
    createDatabase,
    `CREATE TABLE parts (id int PRIMARY KEY, name text, stock int, note text);
     INSERT INTO parts SELECT n, 'part ' || n, n, 'note ' || n FROM generate_series(1, 20) n`,
    `CREATE TABLE labels (id int PRIMARY KEY, label text, views int);
     CREATE TABLE shelves (id int PRIMARY KEY, held int, aisle text)`,
    input,
  )
  await sync.streaming()
  await sync.onTarget(`UPDATE labels SET views = id; UPDATE shelves SET aisle = 'aisle ' || id`)
  await sync.onSource(`UPDATE parts SET name = name || '!', stock = stock + 1`)
  await sync.caughtUp()
  const own = 'SELECT id, views, aisle FROM labels JOIN shelves USING (id) ORDER BY id'
  expect(await sync.onTarget(own)).toEqual(
    await sync.onSource(`SELECT id, id AS views, 'aisle ' || id AS aisle FROM parts ORDER BY id`),
  )

  const reversed = { source: sync.target, target: sync.source, direction: 'reverse' as const }
  await beginWithoutCopy({ ...reversed, capability: CAPABILITY, sync: parseSync(input), ledger: LEDGER })
  const reverse = sync.pipeline(reversed)
  await reverse.start()
  await reaches(reverse, 'streaming')
  const id = fc.integer({ min: 1, max: 30 })
  const write = fc.oneof(
    fc.tuple(id, fc.integer()).map(([at, held]) => `UPDATE shelves SET held = ${held} WHERE id = ${at}`),
    fc.tuple(id, id).map(([at, label]) => `UPDATE labels SET label = 'label ${label}' WHERE id = ${at}`),
    id.map(at => `DELETE FROM labels WHERE id = ${at}; DELETE FROM shelves WHERE id = ${at}`),
    id.map(
      at => `INSERT INTO labels VALUES (${at}, 'new') ON CONFLICT DO NOTHING;
             INSERT INTO shelves VALUES (${at}, ${at}) ON CONFLICT DO NOTHING`,
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 6 }), async writes => {
      for (const each of writes) await sync.onTarget(`BEGIN; ${each}; COMMIT`)
      await waitUntilCaughtUp({ ...reversed, capability: CAPABILITY, timeoutMs: 40_000 })
      expect(await sync.onSource('SELECT id, name, stock FROM parts ORDER BY id')).toEqual(
        await sync.onTarget('SELECT id, label AS name, held AS stock FROM labels JOIN shelves USING (id) ORDER BY id'),
      )
      expect(await sync.onSource(`SELECT FROM parts WHERE note <> 'note ' || id`)).toEqual([])
    }),
    { numRuns: 10, interruptAfterTimeLimit: 20_000, endOnFailure: true },
  )
  await sync.onTarget('UPDATE labels SET label = label; UPDATE shelves SET held = 7')
  await waitUntilCaughtUp({ ...reversed, capability: CAPABILITY, timeoutMs: 40_000 })
  expect(await sync.onSource('SELECT count(note) > 0 AS kept FROM parts WHERE id <= 20')).toEqual([{ kept: true }])
  expect(reverse.status().parked).toBe(0)
}, 120_000)

it('there and back by functions gives the same rows, whichever side wrote (property); the probe says it did not try them', async () => {
  const input: SyncInput = {
    tables: [
      {
        source: 'notes',
        target: 'remarks',
        key: { id: 'id' },
        columns: { forward: ['body'], reverse: ['body'] },
        forward: ({ body = null }) => ({ body: backwards(body) }),
        reverse: ({ body = null }) => ({ body: backwards(body) }),
      },
    ],
  }
  const table = (name: string) => `CREATE TABLE ${name} (id int PRIMARY KEY, body text)`
  await using sync = await createHarness(createDatabase, table('notes'), table('remarks'), input)
  await sync.onSource(`INSERT INTO notes VALUES (1, 'abc'), (2, NULL)`)
  await sync.streaming()
  const reversed = { source: sync.target, target: sync.source, direction: 'reverse' as const }
  await beginWithoutCopy({ ...reversed, capability: CAPABILITY, sync: parseSync(input), ledger: LEDGER })
  const reverse = sync.pipeline(reversed)
  await reverse.start()
  await reaches(reverse, 'streaming')
  const probed = await probeReverse({
    monolith: sync.source,
    service: sync.target,
    sync: parseSync(input),
    triggers: 'auto',
  })
  expect(probed.findings).toMatchObject([
    { kind: 'note', part: 'rows', where: 'public.notes' },
    { kind: 'note', part: 'writes', where: 'public.notes' },
  ])
  const ways = {
    there: { here: sync.onSource, table: 'notes', other: sync.onTarget, otherTable: 'remarks' },
    back: { here: sync.onTarget, table: 'remarks', other: sync.onSource, otherTable: 'notes' },
  }
  const body = fc.option(fc.string({ unit: 'binary', maxLength: 20 }).filter(text => !text.includes('\0')))
  const rows = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 20 }), body), { maxLength: 8, selector: ([id]) => id })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('there', 'back'), rows, async (way, written) => {
      const { here, table, other, otherTable } = ways[way]
      await here(
        `INSERT INTO ${table} SELECT * FROM unnest($1::int[], $2::text[])
         ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
        [written.map(([id]) => id), written.map(([, text]) => text)],
      )
      await sync.caughtUp()
      await waitUntilCaughtUp({ ...reversed, capability: CAPABILITY, timeoutMs: 40_000 })
      const before = await here(`SELECT id, body FROM ${table} ORDER BY id`)
      expect(await other(`SELECT id, reverse(body) AS body FROM ${otherTable} ORDER BY id`)).toEqual(before)
      // What goes back comes from what came.
      await sync.onTarget('UPDATE remarks SET body = body')
      await waitUntilCaughtUp({ ...reversed, capability: CAPABILITY, timeoutMs: 40_000 })
      expect(await here(`SELECT id, body FROM ${table} ORDER BY id`)).toEqual(before)
    }),
    { numRuns: 15, interruptAfterTimeLimit: 20_000, endOnFailure: true },
  )
  expect(reverse.status().parked).toBe(0)
})

function backwards(text: string | null): string | null {
  return text === null ? null : Array.from(text).toReversed().join('')
}
