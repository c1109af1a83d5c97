import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { expect, it } from 'vitest'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { leavingOut } from '../testing/leaving-out.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const TABLE = 'CREATE TABLE things (id int PRIMARY KEY, note text, list int[], n int)'
const SYNC = {
  tables: [{ source: 'things', target: 'things', key: { id: 'id' }, forward: { note: 'note', list: 'list', n: 'n' } }],
}
const engine = leavingOut(options => new PostgresSource(options), new Set(['list']))

async function rows(run: SyncHarness['onSource']): Promise<Record<string, unknown>[]> {
  return run('SELECT id, note, list::text, n FROM things ORDER BY id')
}

async function expectEqual(sync: SyncHarness): Promise<void> {
  const expected = await rows(sync.onSource)
  expect(expected.length).toBeGreaterThan(0)
  expect(await rows(sync.onTarget)).toEqual(expected)
}

it('invariant 3: values that an engine leaves out are read back from the source', async () => {
  await using sync = await createHarness(createDatabase, TABLE, TABLE, SYNC)
  await sync.streaming({ engine })
  // More than are read at once.
  await sync.onSource(`INSERT INTO things SELECT n, 'new', ARRAY[n, NULL], 0 FROM generate_series(1, 1200) n`)
  await sync.onSource(
    `INSERT INTO things VALUES (2001, 'null', NULL, 0), (2002, 'dimensions', '[0:0][2:3]={{1,2}}', 0)`,
  )
  await sync.onSource(
    `UPDATE things SET list = '[5:5]={1}' WHERE id <= 10; UPDATE things SET list = NULL WHERE id = 11`,
  )
  await sync.onSource(`UPDATE things SET n = 1 WHERE id BETWEEN 5 AND 20; DELETE FROM things WHERE id = 20`)
  await sync.onSource(`UPDATE things SET id = id + 5000, list = list || 7 WHERE id BETWEEN 30 AND 40`)
  await sync.onSource(`DELETE FROM things WHERE id = 50; INSERT INTO things VALUES (50, 'again', '{{50}}', 2)`)
  await sync.caughtUp()
  await expectEqual(sync)
})

it('invariant 3: rows that were gone before their values could be read back leave nothing behind', async () => {
  await using sync = await createHarness(createDatabase, TABLE, TABLE, SYNC)
  await sync.onSource(
    `INSERT INTO things VALUES (1, 'copied', '{1}', 0), (2, 'copied', '{2}', 0), (3, 'copied', '{3}', 0)`,
  )
  const first = await sync.streaming({ engine })
  await sync.caughtUp()
  await first.stop()
  const statements = [
    // Inserted, changed, gone.
    `INSERT INTO things VALUES (10, 'new', '{10}', 0)`,
    `UPDATE things SET list = '{11}' WHERE id = 10`,
    `DELETE FROM things WHERE id = 10`,
    // Changed, gone; and changed, gone, new.
    `UPDATE things SET list = '{0}', note = 'changed' WHERE id = 1`,
    `DELETE FROM things WHERE id = 1`,
    `UPDATE things SET list = '{0}' WHERE id = 2`,
    `DELETE FROM things WHERE id = 2`,
    `INSERT INTO things VALUES (2, 'again', '{22}', 0)`,
    // Another key twice.
    `UPDATE things SET id = 30, list = '{30}' WHERE id = 3`,
    `UPDATE things SET id = 31, list = '{31}' WHERE id = 30`,
  ]
  for (const statement of statements) await sync.onSource(statement)
  // Each change in a batch of its own, as in the stream of a slow writer.
  await sync.streaming({ engine, batchRows: 1 })
  await sync.caughtUp()
  await expectEqual(sync)
})

it('invariant 3: a truncated table is empty, though its rows were changed before', async () => {
  await using sync = await createHarness(createDatabase, TABLE, TABLE, SYNC)
  const first = await sync.streaming({ engine })
  await first.stop()
  await sync.onSource(`INSERT INTO things VALUES (1, 'a', '{1}', 0)`)
  await sync.onSource('TRUNCATE things')
  await sync.onSource(`INSERT INTO things VALUES (2, 'b', '{2}', 0)`)
  await sync.streaming({ engine, batchRows: 1 })
  await sync.caughtUp()
  await expectEqual(sync)
})

it('reads back nothing older than the change, though that is in the log before a query sees it', async () => {
  await using server = await startTestPostgres()
  const onServer = async () => ({ url: await server.createDatabase('source'), [Symbol.asyncDispose]: async () => {} })
  const make = (prefix: string) => (prefix === 'source' ? onServer() : createDatabase(prefix))
  await using sync = await createHarness(make, TABLE, TABLE, SYNC)
  await sync.onSource(`INSERT INTO things VALUES (1, 'old', '{1}', 0)`)
  await sync.streaming({ engine })
  await sync.onSource(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
  await sync.onSource('SELECT pg_reload_conf()')
  await expect
    .poll(async () => (await sync.onSource('SHOW synchronous_standby_names'))[0])
    .toEqual({
      synchronous_standby_names: 'nobody',
    })
  const other = await createObserver(server.url('source'))
  await untilCommitsWait(server.url('source'), other)

  // Its commit is in the log, and waits there for a standby that does not come.
  const writing = sync.onSource(`UPDATE things SET note = 'new', list = '{2}' WHERE id = 1`)
  const looking = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_current_snapshot()%' AND pid <> pg_backend_pid()`
  await expect.poll(async () => (await other.query(looking)).rowCount, { timeout: 20_000, interval: 2 }).toBe(1)
  expect((await other.query('SELECT list::text FROM things')).rows).toEqual([{ list: '{1}' }])
  expect(await rows(sync.onTarget)).toEqual([{ id: 1, note: 'old', list: '{1}', n: 0 }])

  await other.query('ALTER SYSTEM RESET synchronous_standby_names')
  await other.query('SELECT pg_reload_conf()')
  await other.end()
  await writing
  await sync.caughtUp()
  await expectEqual(sync)
})

/** A session may know the setting before the checkpointer does, and until then no commit waits. */
async function untilCommitsWait(url: string, other: pg.Client): Promise<void> {
  const committing = await createObserver(url)
  const { rows } = await committing.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const pid = rows[0]?.pid
  for (let waits = false; !waits; ) {
    let over = false
    const commit = committing.query(`SELECT pg_logical_emit_message(true, 'test', '')`).then(() => {
      over = true
    })
    while (!over && !waits) {
      const waiting = `SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`
      waits = (await other.query(waiting, [pid])).rowCount === 1
    }
    if (waits) await other.query('SELECT pg_cancel_backend($1)', [pid])
    await commit
  }
  await committing.end()
}

async function createObserver(url: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}
