import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { SourceRow } from '../mapping/row-function.ts'
import { asPlainUser, createHarness, type SyncHarness } from '../testing/sync-harness.ts'

/** The temporary tables of sync’s sessions. */
const TEMPORARY = `FROM pg_class WHERE relkind = 'r' AND relpersistence = 't' AND relname LIKE 'ficus\\_staging%'`

async function expectEqual(sync: SyncHarness, rows: string): Promise<void> {
  await sync.caughtUp()
  expect(await sync.onTarget(rows)).toEqual(await sync.onSource(rows))
}

it('a table whose shape flips keeps the staging tables of its last two shapes alone', async () => {
  const sql = 'CREATE TABLE items (id int PRIMARY KEY, name text)'
  const tables = [
    {
      source: 'items',
      target: 'items',
      key: { id: 'id' },
      columns: { forward: ['name'] },
      forward: (row: SourceRow) => ({ name: row.name ?? null }),
    },
  ]
  await using sync = await createHarness(createDatabase, sql, sql, { tables })
  await sync.streaming()
  for (let id = 0; id < 6; id += 1) {
    await sync.onSource(`INSERT INTO items VALUES (${id}, 'before')`)
    await sync.onSource(`ALTER TABLE items ALTER name TYPE ${id % 2 === 0 ? 'varchar' : 'text'}`)
    await sync.onSource(`BEGIN; UPDATE items SET name = 'after ' || id WHERE id = ${id}; COMMIT`)
  }
  await sync.onSource(`BEGIN; UPDATE items SET name = 'x' WHERE id = 1; ALTER TABLE items ADD more int;
    UPDATE items SET name = 'y' WHERE id = 2; COMMIT`)
  await expectEqual(sync, 'SELECT id, name FROM items ORDER BY id')
  // One for the source’s rows, one for those that the function makes of them.
  const [left] = await sync.onTarget(`SELECT count(*)::int AS tables ${TEMPORARY}`)
  expect(left?.tables).toBeLessThanOrEqual(4)
  await sync.onSource(`UPDATE items SET name = 'last' WHERE id = 3`)
  await expectEqual(sync, 'SELECT id, name FROM items ORDER BY id')
  expect(await sync.onTarget(`SELECT count(*)::int AS tables ${TEMPORARY}`)).toEqual([{ tables: 2 }])
})

it('commits that are refused leave no staging tables behind', async () => {
  const parents = 'CREATE TABLE parents (id int PRIMARY KEY)'
  const children = `CREATE TABLE children (id int PRIMARY KEY, parent int)`
  const key = (table: string, forward = {}) => ({ source: table, target: table, key: { id: 'id' }, forward })
  const deferred = 'parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED'
  await using sync = await createHarness(
    createDatabase,
    `${parents}; ${children}`,
    `${parents}; ${children.replace('parent int', deferred)}`,
    { tables: [key('children', { parent: 'parent' }), key('parents')] },
  )
  await (await asPlainUser(sync, ['parents', 'children'], ['parents', 'children'])).streaming()
  await sync.onSource('INSERT INTO children VALUES (1, NULL); INSERT INTO parents VALUES (1)')
  for (const id of [2, 3, 4]) {
    await sync.onSource(`INSERT INTO children VALUES (${id}, ${id})`)
    await sync.caughtUp()
  }
  expect(await sync.onTarget('SELECT count(*)::int AS parked FROM ficus.parked')).toEqual([{ parked: 3 }])
  expect(await sync.onTarget(`SELECT count(*)::int AS tables ${TEMPORARY}`)).toEqual([{ tables: 1 }])
  await sync.onSource('INSERT INTO parents VALUES (5); INSERT INTO children VALUES (5, 5)')
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT id FROM children ORDER BY id')).toEqual([{ id: 1 }, { id: 5 }])
})

it('a large value leaves its staging table with the batch that brought it, read back or refused', async () => {
  const sql = `CREATE TABLE pages (id int PRIMARY KEY, n int, body text); ALTER TABLE pages ALTER body SET STORAGE EXTERNAL`
  const tables = [
    {
      source: 'pages',
      target: 'pages',
      key: { id: 'id' },
      forward: { n: 'n', body: `CASE WHEN n < 0 THEN '' ELSE body END` },
    },
  ]
  await using sync = await createHarness(createDatabase, sql, `${sql}; ALTER TABLE pages ADD CHECK (n < 100)`, {
    tables,
  })
  await sync.streaming()
  const bytes = async () => {
    await sync.caughtUp()
    const [row] = await sync.onTarget(`SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::int AS bytes ${TEMPORARY}`)
    return Number(row?.bytes)
  }
  // 18 MB that cannot be compressed.
  const large = `(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 560000) n)`
  await sync.onSource(`INSERT INTO pages VALUES (1, 0, ${large})`)
  expect(await bytes()).toBeLessThan(1024 * 1024)
  await sync.onSource('UPDATE pages SET n = 1')
  expect(await bytes()).toBeLessThan(1024 * 1024)
  await sync.onSource(`INSERT INTO pages VALUES (2, 100, ${large})`)
  await sync.onSource(`INSERT INTO pages VALUES (3, 1, 'small')`)
  expect(await bytes()).toBeLessThan(1024 * 1024)
  const rows = 'SELECT id, n, md5(body) AS body FROM pages WHERE id <> 2 ORDER BY id'
  await expectEqual(sync, rows)
})
