import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { type Endpoint, withSession } from '../database/session.ts'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { beginWithoutCopy } from '../pipeline/begin-without-copy.ts'
import { asPlainUser, CAPABILITY, createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import { closeParked, type ParkedGroup, readParked } from './parked.ts'
import { type Chosen, discardParked, retryParked } from './retry-parked.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(12,2));
  INSERT INTO products SELECT n, 'product ' || n, n FROM generate_series(1, 10) n;
`
const TARGET =
  'CREATE TABLE items (item_id int PRIMARY KEY, title text, cents bigint CONSTRAINT positive CHECK (cents >= 0))'
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'name', cents: '(price * 100)::bigint' },
      reverse: { name: 'title', price: '(cents / 100.0)::numeric(12, 2)' },
    },
  ],
}
const EXPECTED = 'SELECT id AS item_id, name AS title, (price * 100)::bigint AS cents FROM products ORDER BY 1'
const ACTUAL = 'SELECT item_id, title, cents FROM items ORDER BY 1'
const KEY = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER } as const

const createSync = () => createHarness(createDatabase, SOURCE, TARGET, SYNC)
const parkedIn = (sync: SyncHarness) => withSession(sync.target, client => readParked(client, KEY))
const retry = ({ source, target }: SyncHarness, chosen: Chosen, input = SYNC) =>
  retryParked({ ...KEY, source, target, sync: parseSync(input), by: 'ada' }, chosen)

/** How many sessions wait for a lock on the table or on a row of it. */
async function waitingFor(target: Endpoint, table: string): Promise<number> {
  return withSession(target, async client => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%ficus.' || $1 || '%'
         AND pid <> pg_backend_pid()`,
      [table],
    )
    return rows[0]?.count ?? 0
  })
}

/** Products 3 and 4 are parked, each with a change behind it. */
async function parkTwo(sync: SyncHarness): Promise<number[]> {
  await sync.onSource('UPDATE products SET price = -price WHERE id IN (3, 4)')
  await sync.caughtUp()
  await sync.onSource(`UPDATE products SET name = 'later' WHERE id IN (3, 4)`)
  await sync.caughtUp()
  return (await parkedIn(sync)).map(({ id }) => id)
}

describe('invariant 11: parked changes that are tried again', () => {
  it('are applied in order once the target takes them, beside the running sync, which lets their keys flow again', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    const [three = 0] = await parkTwo(sync)
    const refused = await retry(sync, three)
    expect(refused).toMatchObject({ applied: [], refused: [{ reason: expect.stringContaining('positive') }] })
    expect((await parkedIn(sync))[0]).toMatchObject({ attempts: 1, lastError: expect.stringContaining('positive') })

    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT positive')
    expect((await retry(sync, three)).applied).toMatchObject([[{ key: { id: '3' } }, { key: { id: '3' } }]])
    expect((await retry(sync, 'all')).applied).toMatchObject([[{ key: { id: '4' } }, { key: { id: '4' } }]])
    expect(await retry(sync, 'all')).toEqual({ applied: [], refused: [], closed: [] })
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))

    await sync.onSource(`UPDATE products SET name = 'flows again'`)
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
    expect(pipeline.status().parked).toBe(0)
    expect(await sync.onTarget('SELECT outcome, closed_by FROM ficus.parked_closed')).toEqual(
      Array.from({ length: 4 }, () => ({ outcome: 'applied', closed_by: 'ada' })),
    )
  })

  it('are applied by the mapping as it is now, from the bytes that came', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    await parkTwo(sync)
    await pipeline.stop()
    const [table] = SYNC.tables
    const mended = { tables: [{ ...table, forward: { title: 'name', cents: 'abs(price * 100)::bigint' } }] }
    const { source, target } = sync
    await retryParked({ ...KEY, source, target, sync: parseSync(mended), by: 'ada' }, 'all')
    expect(await sync.onTarget('SELECT * FROM items WHERE item_id IN (3, 4) ORDER BY 1')).toEqual([
      { item_id: 3, title: 'later', cents: '300' },
      { item_id: 4, title: 'later', cents: '400' },
    ])
  })

  it('keep the order of the stream where a change of a key was behind another one from the first', async () => {
    await using sync = await createSync()
    await sync.streaming()
    await sync.onSource('UPDATE products SET price = -3 WHERE id = 3')
    await sync.caughtUp()
    // The row 4 makes room, which is refused; then 3, which is blocked already, takes its key.
    await sync.onSource(`
      BEGIN;
      UPDATE products SET id = 40, price = -4 WHERE id = 4;
      UPDATE products SET id = 4 WHERE id = 3;
      COMMIT`)
    await sync.caughtUp()
    expect((await parkedIn(sync)).map(({ key, reason }) => [key, reason !== null])).toEqual([
      [{ id: '3' }, true],
      [{ id: '40' }, true],
      [{ id: '4' }, false],
    ])
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT positive')
    expect(await retry(sync, 'all')).toMatchObject({ applied: [[{}, {}, {}]], refused: [] })
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  })

  it('are tried though the mapping fits the shape of another one no longer', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    await sync.onSource('UPDATE products SET price = -price WHERE id = 3')
    await sync.caughtUp()
    await pipeline.stop()
    await sync.onSource('ALTER TABLE products RENAME COLUMN name TO label')
    const [table] = SYNC.tables
    const renamed = { tables: [{ ...table, forward: { ...table?.forward, title: 'label' }, reverse: {} }] }
    await sync.streaming({ sync: parseSync(renamed) })
    await sync.onSource('UPDATE products SET price = -price WHERE id = 4')
    await sync.caughtUp()
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT positive')
    const { source, target } = sync
    const retried = await retryParked({ ...KEY, source, target, sync: parseSync(renamed), by: 'ada' }, 'all')
    expect(retried.applied.map(([{ key }]) => key)).toEqual([{ id: '4' }])
    // Behind it is the row as it was read anew for the mapping that changed.
    const group = [{ key: { id: '3' } }, { key: { id: '3' }, reason: null }]
    expect(retried.refused).toMatchObject([{ group, reason: expect.stringContaining('label') }])
  })

  it('go together where one needs what another brings', async () => {
    const parents = 'CREATE TABLE parents (id int PRIMARY KEY, name text)'
    const children = 'CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents)'
    const target = `${parents.replace('name text', 'name varchar(5)')}; ${children}`
    const mapping = (table: string, column: string) => ({
      source: table,
      target: table,
      key: { id: 'id' },
      forward: { [column]: column },
    })
    const tables = [mapping('children', 'parent'), mapping('parents', 'name')]
    await using sync = await createHarness(createDatabase, `${parents}; ${children}`, target, { tables })
    const plain = await asPlainUser(sync, ['parents', 'children'], ['parents', 'children'])
    await plain.streaming()
    await sync.onSource(`INSERT INTO parents VALUES (1, 'too long')`)
    await sync.onSource(`INSERT INTO children VALUES (10, 1)`)
    await sync.caughtUp()
    expect(await parkedIn(sync)).toMatchObject([{ sqlState: '22001' }, { sqlState: '23503' }])
    await sync.onTarget('ALTER TABLE parents ALTER COLUMN name TYPE text')
    const ends = { source: plain.source, target: plain.target }
    await retryParked({ ...KEY, ...ends, sync: parseSync({ tables }), by: 'ada' }, 'all')
    expect(await sync.onTarget('SELECT * FROM children')).toEqual([{ id: 10, parent: 1 }])
    expect(await parkedIn(sync)).toEqual([])
  })

  it('are told as what they are where somebody else closed them meanwhile', async () => {
    await using sync = await createSync()
    await sync.streaming()
    await parkTwo(sync)
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT positive')
    const { source, target } = sync
    const told: ParkedGroup[] = []
    // Between the first group and the second.
    const byEve = withSession(target, async client => {
      await client.query('BEGIN; LOCK ficus.parked_closed')
      const retrying = retryParked(
        { ...KEY, source, target, sync: parseSync(SYNC), by: 'ada', onApplied: group => void told.push(group) },
        'all',
      )
      await vi.waitUntil(async () => (await waitingFor(target, 'parked_closed')) > 0, { timeout: 30_000 })
      await closeParked(client, KEY, `key ->> 'id' = '4'`, { outcome: 'discarded', by: 'eve', reason: 'sold out' })
      await client.query('COMMIT')
      return retrying
    })
    const { applied, refused, closed } = await byEve
    expect(applied.map(([{ key }]) => key)).toEqual([{ id: '3' }])
    expect(told).toEqual(applied)
    expect(refused).toEqual([])
    expect(closed).toMatchObject([{ group: [{ key: { id: '4' } }, {}], outcome: 'discarded', by: 'eve' }])
  })

  it('are not applied to a sync that was dropped meanwhile, and that is said', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    await parkTwo(sync)
    await pipeline.stop()
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT positive')
    const { source, target } = sync
    const onApplied = vi.fn<(group: ParkedGroup) => void>()
    const outcome = await withSession(target, async client => {
      await client.query('BEGIN; LOCK ficus.parked_closed')
      const retrying = retryParked(
        { ...KEY, source, target, sync: parseSync(SYNC), by: 'ada', onApplied },
        'all',
      ).catch((error: unknown) => error)
      await vi.waitUntil(async () => (await waitingFor(target, 'parked_closed')) > 0, { timeout: 30_000 })
      // Takes effect once the first group's transaction lets the row go.
      const dropping = withSession(target, other => other.query('DELETE FROM ficus.progress'))
      await vi.waitUntil(async () => (await waitingFor(target, 'progress')) > 0, { timeout: 30_000 })
      await client.query('COMMIT')
      await dropping
      return retrying
    })
    expect(onApplied).toHaveBeenCalledTimes(1)
    expect(outcome).toMatchObject({
      code: 'FICUS_SYNC_BEHIND',
      message: expect.stringContaining('dropped meanwhile'),
      remedy: expect.stringContaining('ficus status'),
    })
  })

  it('make no echo', async () => {
    await using sync = await createSync()
    await sync.streaming()
    await parkTwo(sync)
    const back = {
      capability: CAPABILITY,
      direction: 'reverse',
      ledger: LEDGER,
      source: sync.target,
      target: sync.source,
    } as const
    await beginWithoutCopy({ ...back, sync: parseSync(SYNC) })
    const reverse = sync.pipeline(back)
    await reverse.start()
    await reaches(reverse, 'streaming')
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT positive')
    await retry(sync, 'all')
    await waitUntilCaughtUp({ ...back, timeoutMs: 40_000 })
    expect(reverse.status().appliedRows).toBe(0)
  })
})

it('discarded changes are kept with reason and name, and free their keys', async () => {
  await using sync = await createSync()
  await sync.streaming()
  const [three = 0] = await parkTwo(sync)
  const discard = (chosen: Chosen) =>
    discardParked({ ...KEY, target: sync.target, by: 'ada', reason: 'sold out' }, chosen)
  expect(await discard(three)).toMatchObject([[{ key: { id: '3' } }, { key: { id: '3' } }]])
  await expect(discard(three)).rejects.toMatchObject({
    code: 'FICUS_USAGE',
    message: expect.stringContaining('no change'),
  })
  expect(
    await sync.onTarget(
      `SELECT key, outcome, closed_by, reason, event -> 'after' ->> 'price' AS price FROM ficus.parked_closed`,
    ),
  ).toEqual(
    [-3, -3].map(price => ({
      key: { id: '3' },
      outcome: 'discarded',
      closed_by: 'ada',
      reason: 'sold out',
      price: `${price}.00`,
    })),
  )

  await sync.onSource('UPDATE products SET price = 30 WHERE id = 3')
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT * FROM items WHERE item_id = 3')).toEqual([
    { item_id: 3, title: 'later', cents: '3000' },
  ])
  expect((await parkedIn(sync)).map(({ key }) => key)).toEqual([{ id: '4' }, { id: '4' }])
})

it('there is nothing to retry or to discard where nothing was ever synced', async () => {
  await using sync = await createSync()
  const discard = (chosen: Chosen) => discardParked({ ...KEY, target: sync.target, by: 'ada', reason: 'none' }, chosen)
  expect(await discard('all')).toEqual([])
  await expect(discard(7)).rejects.toMatchObject({ code: 'FICUS_USAGE' })
  expect(await retry(sync, 'all')).toEqual({ applied: [], refused: [], closed: [] })
})

it('another ledger neither retries nor discards', async () => {
  await using sync = await createSync()
  await sync.streaming()
  await parkTwo(sync)
  const { source, target } = sync
  const other = { ...KEY, ledger: LEDGER.replace('1', '2'), source, target, by: 'eve' }
  const mismatch = { code: 'FICUS_LEDGER_MISMATCH' }
  await expect(retryParked({ ...other, sync: parseSync(SYNC) }, 'all')).rejects.toMatchObject(mismatch)
  await expect(discardParked({ ...other, reason: 'by mistake' }, 'all')).rejects.toMatchObject(mismatch)
  expect(await parkedIn(sync)).toHaveLength(4)
})

it('invariant 10: the way back to legacy closes what is parked', async () => {
  await using sync = await createSync()
  const pipeline = await sync.streaming()
  await parkTwo(sync)
  await pipeline.drop()
  expect(await parkedIn(sync)).toEqual([])
  expect(await sync.onTarget('SELECT DISTINCT outcome FROM ficus.parked_closed')).toEqual([{ outcome: 'dropped' }])
})
