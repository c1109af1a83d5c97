import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { CAPABILITY, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { waitUntilCaughtUp } from './lag.ts'

const TABLE = 'CREATE TABLE accounts (id int PRIMARY KEY, name text)'
const SYNC = { tables: [{ source: 'accounts', target: 'accounts', key: { id: 'id' }, forward: { name: 'name' } }] }

function wait(sync: SyncHarness, timeoutMs: number) {
  const { source, target } = sync
  return waitUntilCaughtUp({ source, target, capability: CAPABILITY, direction: 'forward', timeoutMs })
}

it('waits until the target has all that was committed before', async () => {
  await using sync = await createHarness(createDatabase, TABLE, TABLE, SYNC)
  await sync.streaming()
  await sync.onSource(`INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, 1000) n`)
  await wait(sync, 40_000)
  expect(await sync.onTarget('SELECT count(*)::int AS rows FROM accounts')).toEqual([{ rows: 1_000 }])
})

it('invariant 13: says how far a sync came that does not catch up, and that it may yet', async () => {
  await using sync = await createHarness(createDatabase, TABLE, TABLE, SYNC)
  await expect(wait(sync, 50)).rejects.toMatchObject({
    code: 'FICUS_SYNC_BEHIND',
    retry: true,
    message: expect.stringContaining('no sync was started'),
  })
  const pipeline = await sync.streaming()
  await pipeline.stop()
  await expect(wait(sync, 50)).rejects.toMatchObject({
    code: 'FICUS_SYNC_BEHIND',
    message: expect.stringMatching(/did not reach .* within 50 ms; the target stands at [0-9A-F]+\/[0-9A-F]+/),
  })
})
