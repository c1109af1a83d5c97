import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { BACK_SOURCE, BACK_SYNC, BACK_TARGET, MONOLITH } from '../testing/back-mapping.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { probeReverse } from './probe-reverse.ts'

const ROWS = `
  INSERT INTO orders SELECT n, 'EUR' FROM generate_series(1, 30) n;
  INSERT INTO order_lines SELECT n, l, 'sku ' || l, n FROM generate_series(1, 30) n, generate_series(1, 3) l;
  INSERT INTO products SELECT n, 'product ' || n, ARRAY['a', NULL, 'tag ' || n] FROM generate_series(1, 30) n;
`

async function create(): Promise<SyncHarness> {
  const sync = await createHarness(createDatabase, BACK_SOURCE + ROWS, BACK_TARGET, BACK_SYNC)
  await (await sync.streaming()).stop()
  return sync
}

function probe(sync: SyncHarness, input: SyncInput = BACK_SYNC) {
  const ends = { monolith: sync.source, service: sync.target }
  return probeReverse({ ...ends, sync: parseSync(input), triggers: 'auto', sampleSize: 20 })
}

async function monolithRows(sync: SyncHarness): Promise<unknown[]> {
  const rows: unknown[] = []
  for (const query of Object.values(MONOLITH)) rows.push(await sync.onSource(query))
  return rows
}

it('invariant 10: sends rows there and back through `back`, writes them to the monolith, and takes that back', async () => {
  await using sync = await create()
  const before = await monolithRows(sync)
  const { findings, writtenRows, comparedRows } = await probe(sync)
  expect(findings.filter(({ kind }) => kind !== 'note')).toEqual([])
  expect(findings.map(({ part, where }) => `${part} ${where}`)).toEqual(['columns public.order_lines.remark'])
  // All of them, since there are so few: by `reverse` the orders, by `back` their lines and the products.
  expect(comparedRows).toBe(30 + 90 + 30)
  // Orders and products, ten from either end, and the lines of as many orders.
  expect(writtenRows).toBeGreaterThanOrEqual(20 + 20 + 60)
  expect(await monolithRows(sync)).toEqual(before)
})

it('names what the monolith refuses of it', async () => {
  await using sync = await create()
  await sync.onSource('ALTER TABLE order_lines ADD CONSTRAINT few CHECK (count > 0)')
  await sync.onTarget(`UPDATE documents SET lines = '[{"no": 1, "count": 0}]' WHERE order_no = 1`)
  const { findings } = await probe(sync)
  expect(findings.filter(({ kind }) => kind === 'problem')).toContainEqual(
    expect.objectContaining({
      part: 'writes',
      where: 'public.order_lines',
      problem: expect.stringMatching(/refuses an update: .*few/),
    }),
  )
})

it('names rows that `back` would lose, make or change, each with a key', async () => {
  await using sync = await create()
  const [documents, ...others] = BACK_SYNC.tables
  const [lines, products] = BACK_SYNC.back ?? []
  if (documents === undefined || lines?.each === undefined || products === undefined)
    throw new TypeError('all are there')
  const each = { ...lines.each, key: { line_no: 'CASE line.no WHEN 2 THEN 20 ELSE line.no END' } }
  const forward = {
    name: 'upper(title)',
    tags: `ARRAY(SELECT t.name FROM item_tags t WHERE t.item_id = items.item_id)`,
  }
  const { findings } = await probe(sync, {
    tables: [documents, ...others],
    back: [
      { ...lines, each, forward: { ...lines.forward, count: 'CASE line.no WHEN 3 THEN 0 ELSE line.count END' } },
      { ...products, forward },
    ],
  })
  const problems = findings.filter(({ kind, part }) => kind === 'problem' && part === 'rows')
  expect(problems.map(({ where, problem }) => `${where}: ${problem}`)).toEqual([
    'public.order_lines: 30 sampled rows do not come back, first that of key 1, 2',
    'public.order_lines: 30 rows come back that are not there, first that of key 1, 20',
    'public.order_lines.count: 30 sampled rows come back with another value, first that of key 1, 3',
    'public.products.name: 30 sampled rows come back with another value, first that of key 1',
  ])
})

it('names rows that come back as others: a key that `back` does not undo', async () => {
  const input: SyncInput = {
    tables: [
      { source: 'things', target: 'objects', key: { id: { to: 'code', forward: 'id * 2' } }, forward: { a: 'a' } },
    ],
    back: [
      { source: 'objects', target: 'things', key: { code: { to: 'id', forward: 'code / 3' } }, forward: { a: 'a' } },
    ],
  }
  await using sync = await createHarness(
    createDatabase,
    `CREATE TABLE things (id int PRIMARY KEY, a text); INSERT INTO things SELECT n, 'same' FROM generate_series(0, 9) n`,
    `CREATE TABLE objects (code int PRIMARY KEY, a text)`,
    input,
  )
  const { findings } = await probe(sync, input)
  expect(findings).toContainEqual(
    expect.objectContaining({
      kind: 'problem',
      part: 'rows',
      where: 'public.things',
      // 0, 2, … 18 divided by three: of ten keys three are not among 0 to 6.
      problem: '3 sampled rows do not come back, first that of key 7',
    }),
  )
})

it('says which entries it cannot try: they read what forward does not fill', async () => {
  await using sync = await create()
  const [first, ...others] = BACK_SYNC.tables
  if (first === undefined) throw new TypeError('orders are there')
  await sync.onTarget('CREATE TABLE names (item_id int PRIMARY KEY, name text)')
  const named = {
    source: 'items',
    target: 'products',
    key: { item_id: 'id' },
    reads: { names: { item_id: 'item_id' } },
    forward: { name: `coalesce((SELECT n.name FROM names n WHERE n.item_id = items.item_id), title)` },
  }
  const { findings } = await probe(sync, { tables: [first, ...others], back: [named] })
  expect(findings).toContainEqual(
    expect.objectContaining({
      kind: 'note',
      part: 'rows',
      where: 'public.products',
      problem: expect.stringContaining('no row'),
    }),
  )
})
