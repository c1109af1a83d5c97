import { existsSync } from 'node:fs'
import type { SyncStatus } from '@ficus/core/ledger/records'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { retryParked } from '../apply/retry-parked.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { FULL_DEVICE, fillDisk } from '../testing/full-disk.ts'
import { asPlainUser, CAPABILITY, createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 50) n;
`
const TARGET = `
  CREATE TABLE items (item_id int PRIMARY KEY, title text);
  CREATE TABLE names (item_id int PRIMARY KEY, title text);
  CREATE TABLE writes (item_id int, title text);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO writes VALUES (NEW.item_id, NEW.title);
    RETURN NULL;
  END $$;
`
/** Fires for sync too. Made after the copy, so that it sees the stream alone. */
const NOTE = `
  CREATE TRIGGER note AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION note();
  ALTER TABLE items ENABLE ALWAYS TRIGGER note;
`
const flow = (target: string) => ({ source: 'products', target, key: { id: 'item_id' }, forward: { title: 'name' } })
const SYNC = { tables: [flow('items'), flow('names')] }

/** Another session of the target's users. */
async function otherSession(sync: SyncHarness): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: sync.target.url })
  client.on('error', () => {})
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

/** Resolves once a session of sync waits for a lock of the target's. */
async function syncWaits(sync: SyncHarness): Promise<void> {
  await vi.waitUntil(
    async () => {
      const waiting = await sync.onTarget(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ficus sync'
         AND wait_event_type = 'Lock'`,
      )
      return waiting.length > 0
    },
    { timeout: 30_000, interval: 20 },
  )
}

async function setForDatabase(run: SyncHarness['onTarget'], setting: string): Promise<void> {
  await run(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${setting}', current_database()); END $$`)
}

/** Both sides are equal, and each row was written once since the copy. */
async function expectOnce(sync: SyncHarness, rows: number): Promise<void> {
  await sync.caughtUp()
  const expected = await sync.onSource('SELECT id AS item_id, name AS title FROM products ORDER BY 1')
  expect(await sync.onTarget('SELECT * FROM items ORDER BY 1')).toEqual(expected)
  expect(await sync.onTarget('SELECT * FROM names ORDER BY 1')).toEqual(expected)
  const writes = 'SELECT count(*)::int AS writes, count(DISTINCT item_id)::int AS rows FROM writes'
  expect(await sync.onTarget(writes)).toEqual([{ writes: rows, rows }])
}

/** A sync that streams, and what it told of itself. */
async function streamingWithNotes(sync: SyncHarness): Promise<SyncStatus[]> {
  const told: SyncStatus[] = []
  await sync.streaming({ onStatus: status => told.push(status) })
  await sync.onTarget(NOTE)
  return told
}

const waited = (told: readonly SyncStatus[]) =>
  told.filter(({ state }) => state === 'waiting').map(({ error }) => error)

describe('invariant 3: what may pass is tried again, and nothing is lost or doubled', () => {
  it('a deadlock with another session', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await setForDatabase(sync.onTarget, "deadlock_timeout = ''3s''")
    const told = await streamingWithNotes(sync)
    await using other = await otherSession(sync)
    await other.query(`SET deadlock_timeout = '1h'`)
    await other.query('BEGIN; UPDATE names SET title = title WHERE item_id = 7')
    await sync.onSource(`UPDATE products SET name = 'changed'`)
    await syncWaits(sync)
    await other.query('UPDATE items SET item_id = item_id WHERE item_id = 7; ROLLBACK')
    await expectOnce(sync, 50)
    expect(waited(told)).toEqual([
      expect.objectContaining({ code: 'FICUS_DATABASE_BUSY', message: expect.stringContaining('deadlock detected') }),
    ])
  })

  it('a serialization failure, where the target’s transactions are serializable', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await setForDatabase(sync.onTarget, 'default_transaction_isolation = serializable')
    const told = await streamingWithNotes(sync)
    await using other = await otherSession(sync)
    await other.query(`BEGIN; UPDATE names SET title = 'theirs' WHERE item_id = 7`)
    await sync.onSource(`UPDATE products SET name = 'changed'`)
    await syncWaits(sync)
    await other.query('COMMIT')
    await expectOnce(sync, 50)
    expect(waited(told)).toEqual([
      expect.objectContaining({ code: 'FICUS_DATABASE_BUSY', message: expect.stringContaining('could not serialize') }),
    ])
  })

  it('a statement that somebody cancels, as a time-out of it would', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const told = await streamingWithNotes(sync)
    await using other = await otherSession(sync)
    await other.query('BEGIN; UPDATE names SET title = title WHERE item_id = 7')
    await sync.onSource(`UPDATE products SET name = 'changed'`)
    await syncWaits(sync)
    await sync.onTarget(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    await vi.waitFor(() => expect(waited(told)).toHaveLength(1), { timeout: 20_000 })
    await other.query('COMMIT')
    await expectOnce(sync, 50)
    const message = expect.stringContaining('canceling statement')
    expect(waited(told)).toEqual([expect.objectContaining({ code: 'FICUS_DATABASE_BUSY', message })])
  })

  it('no connection is left', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const plain = await asPlainUser(sync, ['products'], ['items', 'names', 'writes'])
    const pipeline = await plain.streaming()
    await sync.onTarget(NOTE)
    const limit = (count: number) =>
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT ${count}', current_database()); END $$`
    await sync.onTarget(limit(0))
    await sync.onTarget(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ficus sync'`,
    )
    await sync.onSource(`UPDATE products SET name = 'changed'`)
    await vi.waitFor(
      () =>
        expect(pipeline.status().error).toMatchObject({
          code: 'FICUS_DATABASE_UNREACHABLE',
          message: expect.stringContaining('too many connections'),
        }),
      { timeout: 20_000 },
    )
    await sync.onTarget(limit(-1))
    await expectOnce(sync, 50)
  })

  it('a full disk', async ({ skip }) => {
    if (!existsSync(FULL_DEVICE) && process.env.CI !== 'true') return skip(`this machine has no ${FULL_DEVICE}`)
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const told = await streamingWithNotes(sync)
    await sync.onTarget('ALTER TABLE writes ALTER title TYPE text USING NULL')
    // Where long titles go, which there are none of yet.
    const [toast] = await sync.onTarget(
      `SELECT current_setting('data_directory') || '/' || pg_relation_filepath(reltoastrelid) AS file
       FROM pg_class WHERE oid = 'items'::regclass`,
    )
    const makeRoom = await fillDisk(String(toast?.file))
    // Hardly any of it can be compressed.
    const long = `(SELECT string_agg(md5((id * 10000 + n)::text), '') FROM generate_series(1, 800) n)`
    await sync.onSource(`UPDATE products SET name = ${long}`)
    await vi.waitFor(() => expect(waited(told).at(-1)?.message).toContain('No space left on device'), {
      timeout: 30_000,
    })
    expect(waited(told).at(-1)?.code).toBe('FICUS_DATABASE_BUSY')
    expect(await sync.onTarget('SELECT * FROM writes')).toEqual([])
    await makeRoom()
    await expectOnce(sync, 50)
  })

  it('and limits on time that are set for the database do not apply to sync', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    // PostgreSQL has had transaction_timeout since 17.
    const known = `SELECT name FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
      'idle_in_transaction_session_timeout')`
    const limits = (await sync.onTarget(known)).map(({ name }) => name)
    for (const limit of [...limits, 'idle_session_timeout']) {
      await setForDatabase(sync.onTarget, `${limit} = ''300ms''`)
      // There a session holds the copy's snapshot meanwhile, and another sends.
      await setForDatabase(sync.onSource, `${limit} = ''300ms''`)
    }
    await sync.onSource(`INSERT INTO products SELECT n, repeat('x', 2000) FROM generate_series(51, 20000) n`)
    const told = await streamingWithNotes(sync)
    await using other = await otherSession(sync)
    for (const limit of limits) await other.query(`SET ${limit} = 0`)
    await other.query('SET idle_session_timeout = 0; BEGIN; UPDATE names SET title = title WHERE item_id = 7')
    await sync.onSource(`UPDATE products SET name = 'changed'`)
    await syncWaits(sync)
    await other.query('SELECT pg_sleep(1)')
    await other.query('COMMIT')
    await expectOnce(sync, 20_000)
    expect(told.map(({ state }) => state)).not.toContain('waiting')
  })
})

describe('invariant 11: what the target refuses for good is parked', () => {
  it.each([
    ['a trigger that raises', 'P0001', `RAISE EXCEPTION 'no such price'`],
    [
      'a trigger that raises with a code of its own',
      'SHOP1',
      `RAISE EXCEPTION 'no such price' USING ERRCODE = 'SHOP1'`,
    ],
  ])('%s', async (_what, sqlstate, raise) => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.streaming()
    await sync.onTarget(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${raise}; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE ON items FOR EACH ROW WHEN (NEW.item_id = 7) EXECUTE FUNCTION refuse();
      ALTER TABLE items ENABLE ALWAYS TRIGGER refuse`)
    await sync.onSource(`UPDATE products SET name = 'changed'`)
    await expectParked(sync, sqlstate, 'no such price')
  })

  it.each([
    [
      'a value that a row of somebody else has',
      '23505',
      'ALTER TABLE items ADD UNIQUE (title); INSERT INTO items VALUES (999, NULL)',
      '999',
    ],
    ['no value where there must be one', '23502', 'ALTER TABLE items ALTER title SET NOT NULL', 'null'],
    ['a value longer than an index takes', '54000', 'CREATE INDEX ON items (title)', 'long'],
  ])('%s', async (_what, sqlstate, sql, kind) => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.streaming()
    await sync.onTarget(sql)
    if (kind === '999') await sync.onTarget(`UPDATE items SET title = 'theirs' WHERE item_id = 999`)
    const random = `(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 2000) n)`
    const value = { 999: `'theirs'`, null: 'NULL', long: random }[kind]
    await sync.onSource(`UPDATE products SET name = CASE WHEN id = 7 THEN ${value} ELSE 'changed ' || id END`)
    await expectParked(sync, sqlstate, '')
  })

  it('a row that a constraint misses only at the commit', async () => {
    const parents = 'CREATE TABLE parents (id int PRIMARY KEY)'
    const children = `CREATE TABLE children (id int PRIMARY KEY, parent int)`
    const key = (table: string, forward = {}) => ({ source: table, target: table, key: { id: 'id' }, forward })
    const deferred = 'REFERENCES parents DEFERRABLE INITIALLY DEFERRED'
    const tables = [key('children', { parent: 'parent' }), key('parents')]
    await using sync = await createHarness(
      createDatabase,
      `${parents}; ${children}`,
      `${parents}; ${children.replace('parent int', `parent int ${deferred}`)}`,
      { tables },
    )
    const plain = await asPlainUser(sync, ['parents', 'children'], ['parents', 'children'])
    const pipeline = await plain.streaming()
    await sync.onSource(`BEGIN; INSERT INTO children SELECT n, n FROM generate_series(1, 50) n;
      INSERT INTO parents SELECT n FROM generate_series(1, 50) n WHERE n <> 7; COMMIT`)
    await sync.caughtUp()
    const parked = await sync.onTarget(
      'SELECT key, sqlstate FROM ficus.parked WHERE id = (SELECT min(id) FROM ficus.parked)',
    )
    expect(parked).toMatchObject([{ sqlstate: '23503' }])
    expect(await sync.onTarget('SELECT FROM children WHERE parent = 7')).toEqual([])
    expect(await sync.onTarget('SELECT FROM parents')).toHaveLength(49)

    await sync.onSource('INSERT INTO parents VALUES (7)')
    await sync.caughtUp()
    const { source, target } = plain
    const retry = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER, source, target, by: 'ada' } as const
    await retryParked({ ...retry, sync: parseSync({ tables }) }, 'all')
    expect(await sync.onTarget('SELECT * FROM children ORDER BY 1')).toEqual(
      await sync.onSource('SELECT * FROM children ORDER BY 1'),
    )
    expect(pipeline.status().state).toBe('streaming')
  })

  it('but a commit of more than a batch stops sync, which says what to do, and that does it', async () => {
    const table = 'CREATE TABLE children (id int PRIMARY KEY, parent int'
    const parents = 'CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1)'
    const tables = [{ source: 'children', target: 'children', key: { id: 'id' }, forward: { parent: 'parent' } }]
    const target = `${parents}; ${table} CONSTRAINT known REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`
    await using sync = await createHarness(createDatabase, `${table})`, target, { tables })
    const plain = await asPlainUser(sync, ['children'], ['parents', 'children'])
    const pipeline = await plain.streaming({ batchRows: 20 })
    await sync.onSource(
      'INSERT INTO children SELECT n, CASE n WHEN 7 THEN 7 ELSE 1 END FROM generate_series(1, 20000) n',
    )
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_CHANGE_REFUSED',
      message: expect.stringMatching(/refuses the commit of a transaction of several batches.*known/),
      remedy: expect.stringContaining('NOT DEFERRABLE'),
    })
    expect(await sync.onTarget('SELECT FROM children')).toEqual([])

    await sync.onTarget('ALTER TABLE children ALTER CONSTRAINT known NOT DEFERRABLE')
    const again = await plain.streaming({ batchRows: 20 })
    await sync.caughtUp()
    expect(again.status().parked).toBe(1)
    expect(await sync.onTarget('SELECT FROM children')).toHaveLength(19_999)
  })
})

/** All but row 7 arrived, and that is parked. */
async function expectParked(sync: SyncHarness, sqlstate: string, reason: string): Promise<void> {
  await sync.caughtUp()
  const parked = await sync.onTarget('SELECT key, sqlstate, reason FROM ficus.parked')
  expect(parked).toEqual([{ key: { id: '7' }, sqlstate, reason: expect.stringContaining(reason) }])
  const changed = `SELECT count(*)::int AS rows FROM items WHERE title LIKE 'changed%'`
  expect(await sync.onTarget(changed)).toEqual([{ rows: 49 }])
}

it('rows that a publication of the target’s has and nothing identifies: stops, says so, and goes on once a key is there', async () => {
  const unkeyed = TARGET.replace('items (item_id int PRIMARY KEY', 'items (item_id int UNIQUE NOT NULL')
  await using sync = await createHarness(createDatabase, SOURCE, unkeyed, {
    tables: [flow('items')],
  })
  const pipeline = await sync.streaming()
  await sync.onTarget('CREATE PUBLICATION theirs FOR TABLE items')
  await sync.onSource(`UPDATE products SET name = 'changed' WHERE id = 5`)
  await reaches(pipeline, 'failed')
  expect(pipeline.status()).toMatchObject({
    parked: 0,
    error: {
      code: 'FICUS_DATABASE_UNFIT',
      message: expect.stringMatching(/refuses to change rows: .*"items".* replica identity/),
      remedy: expect.stringContaining('primary key'),
    },
  })
  await sync.onTarget('ALTER TABLE items ADD PRIMARY KEY (item_id)')
  await sync.streaming()
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT title FROM items WHERE item_id = 5')).toEqual([{ title: 'changed' }])
})
