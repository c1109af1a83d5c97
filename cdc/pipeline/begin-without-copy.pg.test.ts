import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import { CAPABILITY, createHarness, LEDGER } from '../testing/sync-harness.ts'
import { beginWithoutCopy } from './begin-without-copy.ts'

const TABLE = 'CREATE TABLE notes (id int PRIMARY KEY, title text)'
const SYNC = { tables: [{ source: 'notes', target: 'notes', key: { id: 'id' }, forward: { title: 'title' } }] }

it('two that begin at once begin at one position', async () => {
  await using sync = await createHarness(createDatabase, TABLE, TABLE, SYNC)
  const { source, target } = sync
  const key = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER } as const
  const begin = () => beginWithoutCopy({ ...key, source, target, sync: parseSync(SYNC) })
  const begun = await Promise.all([begin(), begin(), begin()])
  expect(new Set(begun.map(({ lsn }) => lsn)).size).toBe(1)
  expect(await begin()).toEqual(begun[0])
  // It holds nothing any more that would keep a worker from carrying it.
  await sync.streaming()
  await sync.onSource(`INSERT INTO notes VALUES (1, 'later')`)
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT * FROM notes')).toEqual([{ id: 1, title: 'later' }])
})

it('removes no row for being unknown to the source: it was not copied from there, and nobody else may have it', async () => {
  const parts = `CREATE TABLE notes (id int PRIMARY KEY, title text) PARTITION BY LIST (id);
    CREATE TABLE first PARTITION OF notes FOR VALUES IN (1); CREATE TABLE second PARTITION OF notes FOR VALUES IN (2);
    CREATE TABLE third (id int PRIMARY KEY, title text); INSERT INTO third VALUES (3, 'c')`
  const own = `${TABLE}; INSERT INTO notes VALUES (2, 'b'), (9, 'own')`
  await using sync = await createHarness(createDatabase, parts, own, SYNC)
  const { source, target } = sync
  const key = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER } as const
  await beginWithoutCopy({ ...key, source, target, sync: parseSync(SYNC) })
  await sync.streaming()
  await sync.onSource(
    'BEGIN; ALTER TABLE notes DETACH PARTITION second; ALTER TABLE notes ATTACH PARTITION third FOR VALUES IN (3); COMMIT',
  )
  await vi.waitFor(
    async () => {
      expect(await sync.onTarget('SELECT FROM notes WHERE id = 3')).toHaveLength(1)
      expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([])
    },
    { timeout: 20_000, interval: 50 },
  )
  expect(await sync.onTarget('SELECT id FROM notes ORDER BY id')).toEqual([{ id: 2 }, { id: 3 }, { id: 9 }])
})
