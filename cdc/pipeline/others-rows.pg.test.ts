import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { discardParked } from '../apply/retry-parked.ts'
import { diffCapability } from '../diff/diff-capability.ts'
import { repairRows } from '../diff/repair.ts'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { backOf, startBack } from '../testing/back-mapping.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, note text, kind text NOT NULL DEFAULT 'book');
  INSERT INTO products VALUES (1, 'a', 'n', 'book'), (2, 'toy', 'n', 'toy'), (3, 'toy', 'n', 'toy'), (4, 'toy', 'n', 'toy');
`
const TARGET = `
  CREATE TABLE items (id int PRIMARY KEY, title text);
  ALTER TABLE items ALTER COLUMN title SET STORAGE EXTERNAL;
  CREATE TABLE notes (id int PRIMARY KEY, note text);
`
const BOOKS = { source: 'products', key: { id: 'id' }, where: `kind = 'book'` }
const FORWARD: SyncInput['tables'] = [
  { ...BOOKS, target: 'items', forward: { title: 'name' } },
  { ...BOOKS, target: 'notes', forward: { note: 'note' } },
]
const BACK = { source: 'items', target: 'products', key: { id: 'id' }, within: `kind = 'book'` }

const WAYS: readonly [string, SyncInput][] = [
  ['reverse', { tables: [{ ...BOOKS, target: 'items', forward: { title: 'name' }, reverse: { name: 'title' } }] }],
  [
    'halves by reverse',
    {
      tables: [
        { ...BOOKS, target: 'items', forward: { title: 'name' }, reverse: { name: 'title' } },
        { ...BOOKS, target: 'notes', forward: { note: 'note' }, reverse: { note: 'note' } },
      ],
    },
  ],
  [
    'back with reads',
    {
      tables: FORWARD,
      back: [
        {
          ...BACK,
          reads: { notes: { id: 'id' } },
          forward: { name: 'title', note: '(SELECT n.note FROM notes n WHERE n.id = items.id)' },
        },
      ],
    },
  ],
  [
    'a function',
    {
      tables: FORWARD,
      back: [{ ...BACK, forward: ({ title = null }) => ({ name: title }), columns: { forward: ['name'] } }],
    },
  ],
]

async function startReverse(sync: SyncHarness, input: SyncInput) {
  await (await sync.streaming()).stop()
  const mapping = parseSync(input)
  const reverse = await startBack(sync, mapping)
  return { options: { ...backOf(sync, mapping), timeoutMs: 40_000 }, reverse }
}

it.each(WAYS)(
  'invariant 11: parks what would overwrite a row of the monolith that the service never had (%s)',
  async (_way, input) => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, input)
    const { options, reverse } = await startReverse(sync, input)
    const others = () => sync.onSource(`SELECT * FROM products WHERE kind = 'toy' ORDER BY id`)
    const before = await others()
    const isAsBefore = async (parked: number) => {
      await waitUntilCaughtUp(options)
      expect(await others()).toEqual(before)
      expect(reverse.status().parked).toBe(parked)
    }
    const discard = () => discardParked({ ...options, by: 'ada', reason: 'the key is taken' }, 'all')

    await sync.onTarget(
      `INSERT INTO items VALUES (2, 'mine'), (3, repeat('x', 5000)), (4, 'mine'), (5, 'new'); INSERT INTO notes VALUES (5, 'n')`,
    )
    await isAsBefore(3)
    const [{ plain_reason: reason } = {}] = await sync.onSource('SELECT DISTINCT plain_reason FROM ficus.parked')
    expect(reason).toMatch(
      /^the row of public\.products with this key is not one of those that (tables|back)\[0\]\.(where|within) lets in/,
    )
    await discard()
    // An update merges, with an unchanged large value left out too, and a deletion needs no row to be there.
    await sync.onTarget(
      `UPDATE items SET title = 'again' WHERE id = 2; UPDATE items SET id = 4 WHERE false; DELETE FROM items WHERE id = 4`,
    )
    await isAsBefore(1)
    await discard()
    const report = await diffCapability({ ...options, mode: 'exact' })
    expect(report.tables[0]?.differing.map(({ key, kind }) => [kind, key.id]).toSorted()).toEqual([
      ['missing', '2'],
      ['missing', '3'],
    ])
    const [repaired] = await repairRows(options, report.tables)
    expect(repaired).toMatchObject({ repaired: 0, left: 2 })
    expect(repaired?.reasons).toContainEqual(expect.stringContaining('is left as it is (id = 2)'))
    expect(await others()).toEqual(before)
    expect(await sync.onSource('SELECT id, name FROM products WHERE id = 5')).toEqual([{ id: 5, name: 'new' }])
  },
)

it('takes rows to which the service itself gives what makes them its own, and back from it', async () => {
  const input: SyncInput = {
    tables: [
      {
        ...BOOKS,
        target: 'items',
        forward: { title: 'name' },
        reverse: { name: 'title', kind: `CASE WHEN title = 'gone' THEN 'toy' ELSE 'book' END` },
      },
    ],
  }
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, input)
  const { options, reverse } = await startReverse(sync, input)
  for (const title of ['gone', 'back']) {
    await sync.onTarget(`UPDATE items SET title = '${title}' WHERE id = 1`)
    await waitUntilCaughtUp(options)
    expect(await sync.onSource('SELECT name FROM products WHERE id = 1')).toEqual([{ name: title }])
  }
  expect(reverse.status().parked).toBe(0)
})
