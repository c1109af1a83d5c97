import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { createHarness } from '../testing/sync-harness.ts'

it('invariant 3: keys are rewritten: rows are read under the new ones, those of the old ones go, and nothing else does', async () => {
  const pairs = 'CREATE TABLE pairs (a int, b text, c int, PRIMARY KEY (a, b))'
  const PAIRS = { source: 'pairs', target: 'pairs', key: { a: 'a', b: 'b' }, forward: { c: 'c' } }
  // Its key is computed from the same columns: what is removed from the one goes from the other.
  const COMPUTED = {
    ...PAIRS,
    target: 'codes',
    key: { a: { to: 'a', forward: `'P' || a`, reverse: 'substr(a, 2)::int' }, b: 'b' },
  }
  const KINDS = {
    ...PAIRS,
    target: 'kinds',
    each: { rows: 'generate_series(1, 2) AS kind(n)', key: { n: 'kind.n' } },
  }
  await using sync = await createHarness(
    createDatabase,
    `${pairs}; INSERT INTO pairs SELECT n, n % 7, n FROM generate_series(1, 50) n`,
    `${pairs}; CREATE TABLE codes (a text, b text, c int, PRIMARY KEY (a, b)); CREATE TABLE kinds (a int, b text, n int, c int, PRIMARY KEY (a, b, n))`,
    { tables: [PAIRS, COMPUTED, KINDS] },
  )
  await sync.streaming({ batchRows: 8 })
  await sync.onSource('ALTER TABLE pairs ALTER a TYPE bigint USING a + 30')
  const expected = await sync.onSource('SELECT a::int, b, c FROM pairs ORDER BY a')
  await vi.waitFor(
    async () => {
      expect(await sync.onTarget('SELECT * FROM pairs ORDER BY a')).toEqual(expected)
      expect(await sync.onTarget('SELECT substr(a, 2)::int AS a, b, c FROM codes ORDER BY 1')).toEqual(expected)
      expect(await sync.onTarget('SELECT a, b, c FROM kinds WHERE n = 1 ORDER BY 1')).toEqual(expected)
      expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([])
    },
    { timeout: 20_000, interval: 50 },
  )
  expect(await sync.onTarget('SELECT count(*)::int FROM kinds')).toEqual([{ count: 100 }])
})
