import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import type { Pipeline } from './pipeline.ts'

const SQL = 'CREATE TABLE items (id int PRIMARY KEY, name text)'
const TABLES = [{ source: 'items', target: 'items', key: { id: 'id' }, forward: { name: 'name' } }]
const WAIT = { timeout: 40_000, interval: 20 }

interface Blocked {
  readonly sync: SyncHarness
  readonly pipeline: Pipeline
  /** Whether the slot frees what was written up to the row, and whether anybody reads it. */
  slot(): Promise<Record<string, unknown> | undefined>
}

/** A pipeline that is applying a row, and waits for a lock that `onTarget`’s session has. */
async function applyingBehindLock(): Promise<Blocked> {
  const sync = await createHarness(createDatabase, SQL, SQL, { tables: TABLES })
  const pipeline = await sync.streaming({ heartbeatMs: 60_000 })
  await sync.onTarget('BEGIN; LOCK TABLE items')
  await sync.onSource(`INSERT INTO items VALUES (1, 'last')`)
  const [written] = await sync.onSource('SELECT pg_current_wal_lsn() AS lsn')
  const waiting = `SELECT FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass`
  await expect.poll(() => sync.onTarget(waiting), WAIT).toHaveLength(1)
  const slot = async () => {
    const [row] = await sync.onSource(
      `SELECT confirmed_flush_lsn >= $1 AS freed, active FROM pg_replication_slots WHERE database = current_database()`,
      [written?.lsn],
    )
    return row
  }
  return { sync, pipeline, slot }
}

it('invariant 4: on a stop the batch that is being applied is acknowledged, once it is committed', async () => {
  const { sync, pipeline, slot } = await applyingBehindLock()
  await using _ = sync
  expect(await slot()).toMatchObject({ freed: false })
  const stopped = pipeline.stop()
  await sync.onTarget('COMMIT')
  await stopped
  await expect.poll(slot, WAIT).toEqual({ freed: true, active: false })
  expect(await sync.onTarget('SELECT id, name FROM items')).toEqual([{ id: 1, name: 'last' }])
})

it('a stop lets the source go where a batch takes long, and what was not acknowledged is not applied twice', async () => {
  const { sync, pipeline, slot } = await applyingBehindLock()
  await using _ = sync
  const stopped = pipeline.stop()
  await expect.poll(slot, WAIT).toEqual({ freed: false, active: false })
  await sync.onTarget('COMMIT')
  await stopped
  await sync.streaming()
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT id, name FROM items')).toEqual([{ id: 1, name: 'last' }])
})
