import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
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
