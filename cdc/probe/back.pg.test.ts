import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
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

function probe(sync: SyncHarness) {
  const ends = { monolith: sync.source, service: sync.target }
  return probeReverse({ ...ends, sync: parseSync(BACK_SYNC), triggers: 'auto', sampleSize: 20 })
}

async function monolithRows(sync: SyncHarness): Promise<unknown[]> {
  const rows: unknown[] = []
  for (const query of Object.values(MONOLITH)) rows.push(await sync.onSource(query))
  return rows
}

it('invariant 10: writes what `back` makes to the monolith, and takes it back', async () => {
  await using sync = await create()
  const before = await monolithRows(sync)
  const { findings, writtenRows } = await probe(sync)
  expect(findings.filter(({ kind }) => kind !== 'note')).toEqual([])
  expect(findings.map(({ part, where }) => `${part} ${where}`)).toEqual([
    'columns public.order_lines.remark',
    'rows public.order_lines',
    'rows public.products',
  ])
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
