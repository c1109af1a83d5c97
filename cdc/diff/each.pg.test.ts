import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { Direction } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { BACK_SOURCE, BACK_SYNC, BACK_TARGET, startBack } from '../testing/back-mapping.ts'
import { CAPABILITY, createHarness, LEDGER, type SyncHarness } from '../testing/sync-harness.ts'
import { type DiffReport, diffCapability } from './diff-capability.ts'
import { repairRows } from './repair.ts'
import type { TableDiff } from './table-comparison.ts'

const ROWS = `
  INSERT INTO orders SELECT n, 'EUR' FROM generate_series(1, 30) n;
  INSERT INTO order_lines SELECT n, l, 'sku ' || l, n FROM generate_series(1, 30) n, generate_series(1, 3) l;
  INSERT INTO products SELECT n, 'product ' || n, ARRAY['a', NULL, 'tag ' || n] FROM generate_series(1, 30) n;
`

function optionsOf({ source, target }: SyncHarness, direction: Direction) {
  const ends = direction === 'forward' ? { source, target } : { source: target, target: source }
  return { ...ends, capability: CAPABILITY, ledger: LEDGER, direction, sync: parseSync(BACK_SYNC), timeoutMs: 40_000 }
}

function found({ tables }: Pick<DiffReport, 'tables'>): unknown {
  const inOrder = ({ differing }: TableDiff) =>
    differing.map(({ key, kind }) => `${kind} ${Object.values(key).join(', ')}`).toSorted()
  return Object.fromEntries(tables.map(table => [table.target, inOrder(table)]))
}

it.each(['exact', 'recheck'] as const)(
  'finds and repairs single rows of those that one row became (%s)',
  async mode => {
    await using sync = await createHarness(createDatabase, BACK_SOURCE + ROWS, BACK_TARGET, BACK_SYNC)
    await sync.streaming()
    const options = optionsOf(sync, 'forward')
    const diff = () => diffCapability({ ...options, mode })
    expect(await diff()).toMatchObject({ equal: true })
    await sync.onTarget(`
    DELETE FROM item_tags WHERE item_id = 3 AND position = 2;
    UPDATE item_tags SET name = '' WHERE item_id = 4 AND position = 2;
    INSERT INTO item_tags VALUES (5, 4, 'too many'), (77, 1, 'of nothing')`)
    const report = await diff()
    expect(found(report)).toMatchObject({
      'public.documents': [],
      'public.item_tags': ['different 4, 2', 'extra 5, 4', 'extra 77, 1', 'missing 3, 2'],
    })
    expect((await repairRows(options, report.tables)).map(({ repaired, left }) => ({ repaired, left }))).toEqual([
      { repaired: 4, left: 0 },
    ])
    expect(await diff()).toMatchObject({ equal: true })
  },
)

it('does so on the way back', async () => {
  await using sync = await createHarness(createDatabase, BACK_SOURCE + ROWS, BACK_TARGET, BACK_SYNC)
  await (await sync.streaming()).stop()
  await startBack(sync)
  const options = optionsOf(sync, 'reverse')
  expect(await diffCapability(options)).toMatchObject({ equal: true })
  await sync.onSource(`
    DELETE FROM order_lines WHERE order_id = 3 AND line_no = 2;
    INSERT INTO order_lines VALUES (4, 4, 'too many', 1);
    UPDATE products SET tags = '{}' WHERE id = 6`)
  const report = await diffCapability(options)
  expect(found(report)).toEqual({
    'public.orders': [],
    'public.order_lines': ['extra 4, 4', 'missing 3, 2'],
    'public.products': ['different 6'],
  })
  await repairRows(options, report.tables)
  expect(await diffCapability(options)).toMatchObject({ equal: true })
})
