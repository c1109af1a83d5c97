import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { retryParked } from '../apply/retry-parked.ts'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { diffCapability } from '../diff/diff-capability.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { DOCUMENTS_SOURCE, DOCUMENTS_SYNC, DOCUMENTS_TARGET, expectDocuments } from '../testing/documents.ts'
import { CAPABILITY, createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import { beginWithoutCopy } from './begin-without-copy.ts'
import { endSync } from './drop.ts'

const KEY = { capability: CAPABILITY, direction: 'forward' as const, ledger: LEDGER }
const LONG = (letter: string) => `repeat('${letter}', 20000)`
const SEED = `
  INSERT INTO currencies VALUES ('EUR', 'Euro'), ('USD', 'Dollar'), ('CHF', 'Franc');
  INSERT INTO orders SELECT n % 2, n, CASE WHEN n % 3 = 0 THEN 'draft' ELSE 'open' END::state, CASE n % 3 WHEN 0 THEN 'EUR' WHEN 1 THEN 'USD' END, ${LONG('n')}
    FROM generate_series(1, 12) n;
  INSERT INTO order_lines SELECT n % 2, n, line, 'sku-' || line, line * 1.5, ${LONG('l')} FROM generate_series(1, 10) n, generate_series(1, 3) line;
`

async function seeded(): Promise<SyncHarness> {
  const sync = await createHarness(createDatabase, DOCUMENTS_SOURCE, DOCUMENTS_TARGET, DOCUMENTS_SYNC)
  await sync.onSource(SEED)
  return sync
}

describe('invariant 3: a row that is computed from several tables follows each of them', () => {
  const cases: Record<string, readonly string[]> = {
    'inserts of all, the child first': [
      `BEGIN; INSERT INTO order_lines VALUES (1, 100, 1, 'early', 9, 'x'); INSERT INTO orders VALUES (1, 100, 'open', 'EUR', 'x'); COMMIT`,
      `INSERT INTO order_lines VALUES (0, 200, 1, 'alone', 1, NULL)`,
      `INSERT INTO orders VALUES (0, 200, 'open', NULL, NULL)`,
    ],
    'updates of parents, children and lookups': [
      `UPDATE orders SET state = 'open'`,
      `UPDATE order_lines SET price = price + 1 WHERE line = 2`,
      `UPDATE currencies SET name = upper(name)`,
      `UPDATE orders SET currency = 'CHF' WHERE id = 2`,
      `UPDATE currencies SET code = 'DM' WHERE code = 'EUR'; INSERT INTO currencies VALUES ('EUR', 'new')`,
    ],
    'a child that moves between parents': [
      `UPDATE order_lines SET id = 4, line = 9 WHERE region = 0 AND id = 2 AND line = 1`,
      `UPDATE order_lines SET region = 1, id = 1, line = 10 WHERE region = 0 AND id = 8 AND line = 2`,
      `UPDATE order_lines SET id = 999, line = 1 WHERE region = 0 AND id = 4 AND line = 2`,
    ],
    'deletions of children, lookups and parents': [
      'DELETE FROM order_lines WHERE line = 3',
      'DELETE FROM order_lines WHERE id = 5',
      `DELETE FROM currencies WHERE code = 'USD'`,
      'DELETE FROM orders WHERE id IN (1, 2)',
      'BEGIN; DELETE FROM order_lines WHERE id = 7; DELETE FROM orders WHERE id = 7; COMMIT',
    ],
    'keys of parents that change': [
      'UPDATE orders SET id = id + 1000 WHERE id < 3',
      'BEGIN; UPDATE orders SET id = 2004 WHERE id = 4; UPDATE order_lines SET id = 2004 WHERE id = 4; COMMIT',
      'BEGIN; UPDATE orders SET id = -1 WHERE id = 5; UPDATE orders SET id = 5 WHERE id = 7; UPDATE orders SET id = 7 WHERE id = -1; COMMIT',
    ],
    'parents that leave the filter and come back': [
      `UPDATE orders SET state = 'draft' WHERE id < 6`,
      `UPDATE order_lines SET sku = 'of a draft' WHERE id < 6`,
      `UPDATE orders SET state = 'open' WHERE id < 4`,
    ],
    'TRUNCATE of children': [`TRUNCATE order_lines`, `INSERT INTO order_lines VALUES (0, 2, 1, 'after', 1, 'x')`],
    'TRUNCATE of a lookup, and rows after it': [
      `BEGIN; TRUNCATE currencies; INSERT INTO currencies VALUES ('EUR', 'again'); COMMIT`,
    ],
    'TRUNCATE of parents, and rows after it': [
      `BEGIN; UPDATE order_lines SET price = 0; TRUNCATE orders; INSERT INTO orders VALUES (1, 1, 'open', 'USD', 'again'); COMMIT`,
    ],
    'TOASTed values that were not sent': [
      `UPDATE orders SET state = 'open'`,
      `UPDATE order_lines SET sku = sku || '!'`,
      `UPDATE orders SET id = id + 50 WHERE id > 8`,
      `UPDATE order_lines SET line = line + 10 WHERE line = 1`,
      `BEGIN; UPDATE order_lines SET body = ${LONG('z')} WHERE line = 2; UPDATE order_lines SET price = 7 WHERE line = 2; COMMIT`,
    ],
    'parents read from their own table': [
      `UPDATE groups SET name = name || '!' WHERE id = 1`,
      `UPDATE groups SET parent = 4 WHERE id = 2`,
      `DELETE FROM groups WHERE id = 3`,
      `BEGIN; INSERT INTO groups VALUES (6, 7, 'six'); INSERT INTO groups VALUES (7, NULL, 'seven'); COMMIT`,
    ],
  }
  for (const [name, statements] of Object.entries(cases)) {
    it(name, async () => {
      await using sync = await seeded()
      await sync.streaming()
      for (const statement of statements) await sync.onSource(statement)
      await expectDocuments(sync)
    })
  }
})

it('invariant 3: copies and streams while parents, children and lookups change, through a restart', async () => {
  await using sync = await seeded()
  await sync.onSource(`INSERT INTO orders SELECT 1, n, 'open', 'EUR', 'x' FROM generate_series(1000, 6000) n`)
  await sync.onSource(`INSERT INTO order_lines SELECT 1, n, 1, 'first', 1, 'x' FROM generate_series(1000, 6000) n`)
  let writing = true
  const writes = (async () => {
    for (let n = 0; writing; n++) {
      await sync.onSource(`INSERT INTO order_lines VALUES (1, $1, 2, 'new', 3, NULL)`, [1000 + n])
      await sync.onSource(`INSERT INTO orders VALUES (0, $1, 'open', 'USD', 'new')`, [10_000 + n])
      await sync.onSource(`UPDATE order_lines SET id = id + 1, line = 3 WHERE id = $1 AND line = 2`, [1000 + n])
      await sync.onSource(`DELETE FROM orders WHERE id = $1`, [4000 + n])
      if (n % 10 === 0) await sync.onSource(`UPDATE currencies SET name = $1 WHERE code = 'CHF'`, [`Franc ${n}`])
    }
  })()
  const first = await sync.streaming({ batchRows: 100 })
  await first.stop()
  await sync.streaming({ batchRows: 100 })
  writing = false
  await writes
  await expectDocuments(sync)
}, 120_000)

it('invariant 3: a transaction larger than a batch is applied in parts', async () => {
  await using sync = await seeded()
  await sync.streaming({ batchRows: 50 })
  await sync.onSource(`
    BEGIN;
    INSERT INTO orders SELECT 1, n, 'open', 'EUR', 'x' FROM generate_series(1000, 1200) n;
    INSERT INTO order_lines SELECT 1, n, l, 'x', n, 'x' FROM generate_series(1000, 1200) n, generate_series(1, 3) l;
    UPDATE order_lines SET id = id + 1, line = 7 WHERE id BETWEEN 1000 AND 1100 AND line = 1;
    DELETE FROM orders WHERE id BETWEEN 1150 AND 1160;
    UPDATE currencies SET name = 'changed' WHERE code = 'EUR';
    COMMIT`)
  await expectDocuments(sync)
})

it('compares what the source computes with what the target holds, and finds what differs', async () => {
  await using sync = await seeded()
  await sync.streaming()
  const diff = () => diffCapability({ ...sync, ...KEY, sync: parseSync(DOCUMENTS_SYNC) })
  expect((await diff()).equal).toBe(true)

  let writing = true
  const writes = (async () => {
    for (let n = 0; writing; n++) {
      await sync.onSource(`UPDATE order_lines SET price = $1 WHERE id = 1`, [n])
      await sync.onSource(`UPDATE currencies SET name = $1 WHERE code = 'EUR'`, [`Euro ${n % 2}`])
    }
  })()
  for (let round = 0; round < 3; round++) {
    expect((await diff()).tables.flatMap(({ differing }) => differing)).toEqual([])
  }
  writing = false
  await writes

  await sync.onTarget(`UPDATE documents SET lines = '[]' WHERE id = 2`)
  const { tables } = await diff()
  expect(tables[0]?.differing).toEqual([{ key: { region: '0', id: '2' }, kind: 'different', columns: ['lines'] }])
})

it('invariant 11: parks the change of another table that makes a row impossible, and takes it once it is not', async () => {
  await using sync = await seeded()
  const pipeline = await sync.streaming()
  await sync.onTarget('ALTER TABLE documents ADD CONSTRAINT cheap CHECK (total < 1000)')
  await sync.onSource(`UPDATE order_lines SET price = 5000 WHERE id = 1 AND line = 1`)
  await sync.onSource(`UPDATE order_lines SET price = 3 WHERE id = 4 AND line = 1`)
  await sync.caughtUp()
  expect(pipeline.status().state).toBe('streaming')
  expect(await sync.onTarget('SELECT total FROM documents WHERE id IN (1, 4) ORDER BY id')).toEqual([
    { total: '9.00' },
    { total: '10.50' },
  ])
  const by = { ...sync, ...KEY, by: 'a person', sync: parseSync(DOCUMENTS_SYNC) }
  const { refused } = await retryParked(by, 'all')
  expect(refused.map(({ group: [first] }) => [first.table, first.targets])).toEqual([
    ['public.order_lines', ['public.documents', 'public.prices']],
  ])
  await sync.onTarget('ALTER TABLE documents DROP CONSTRAINT cheap')
  expect((await retryParked(by, 'all')).refused).toEqual([])
  await expectDocuments(sync)
})

it('fills the mirrors anew where a sync begins again without a copy', async () => {
  await using sync = await seeded()
  await (await sync.streaming()).stop()
  const options = { ...KEY, source: sync.source, target: sync.target, sync: parseSync(DOCUMENTS_SYNC) }
  await endSync({ ...options, engine: engineOptions => new PostgresSource(engineOptions) })
  // Nobody tells the mirrors of it.
  await sync.onSource('DELETE FROM order_lines WHERE line = 1')
  await beginWithoutCopy(options)
  await sync.streaming()
  await sync.onSource('UPDATE orders SET body = NULL; UPDATE order_lines SET price = price + 1')
  await sync.onTarget('DELETE FROM prices WHERE line = 1')
  await expectDocuments(sync)
})

it('stops where the mapping reads what the first copy did not bring along', async () => {
  await using sync = await seeded()
  await (await sync.streaming()).stop()
  const [documents, ...others] = DOCUMENTS_SYNC.tables
  if (documents === undefined) throw new TypeError('there is a mapping')
  const forward = { ...documents.forward, lines: `to_jsonb((SELECT max(note) FROM order_lines))` }
  const changed = sync.pipeline({ sync: parseSync({ tables: [{ ...documents, forward }, ...others] }) })
  await changed.start()
  await changed.ended()
  expect(changed.status().error?.code).toMatch(/^FICUS_MAPPING_/)
})

it('leaves a row alone when nothing that is mapped has changed', async () => {
  await using sync = await seeded()
  await sync.streaming()
  const rows = 'SELECT region, id, xmin::text FROM documents ORDER BY 1, 2'
  const before = await sync.onTarget(rows)
  await sync.onSource(`UPDATE order_lines SET note = 'not mapped'; UPDATE currencies SET name = name`)
  await expectDocuments(sync)
  expect(await sync.onTarget(rows)).toEqual(before)
})

it('keeps of the tables only what the mapping reads, and drops it with the sync', async () => {
  await using sync = await seeded()
  const pipeline = await sync.streaming()
  const columns = `SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'ficus_mirror' ORDER BY table_name, ordinal_position`
  expect((await sync.onTarget(columns)).map(({ name }) => name)).toEqual([
    ...['code', 'name'].map(name => `catalog:public.currencies.${name}`),
    ...['id', 'parent', 'name'].map(name => `catalog:public.groups.${name}`),
    ...['region', 'id', 'line', 'sku', 'price', 'body'].map(name => `catalog:public.order_lines.${name}`),
    ...['region', 'id', 'state', 'currency', 'body'].map(name => `catalog:public.orders.${name}`),
  ])
  await pipeline.drop()
  expect(await sync.onTarget(`SELECT FROM pg_namespace WHERE nspname = 'ficus_mirror'`)).toEqual([])
  expect(await sync.onTarget('SELECT FROM documents')).toEqual([])
})

it('invariant 10: the way back stops before anything is gone where a view reads a mirror, and ends once it is dropped', async () => {
  await using sync = await seeded()
  const pipeline = await sync.streaming()
  await sync.onTarget('CREATE VIEW theirs AS SELECT code FROM ficus_mirror."catalog:public.currencies"')
  await expect(pipeline.drop()).rejects.toMatchObject({
    code: 'FICUS_DATABASE_UNFIT',
    message: expect.stringContaining('view theirs depends on table'),
  })
  const slots = 'SELECT FROM pg_replication_slots WHERE database = current_database()'
  expect(await sync.onSource(slots)).toHaveLength(1)
  expect(await sync.onTarget('SELECT state FROM ficus.progress')).toEqual([{ state: 'streaming' }])
  await sync.onTarget('DROP VIEW theirs')
  await sync.pipeline().drop()
  expect(await sync.onSource(slots)).toEqual([])
  expect(await sync.onTarget(`SELECT FROM pg_namespace WHERE nspname = 'ficus_mirror'`)).toEqual([])
})

describe('invariant 3: a column of a table read that is given another type', () => {
  const tables = [
    {
      source: 'orders',
      target: 'docs',
      key: { id: 'id' },
      reads: { 'public.lines': { order_id: 'id' } },
      forward: { total: '(SELECT sum(l.amount) FROM lines l WHERE l.order_id = orders.id)' },
    },
  ]
  const open = (total = 'numeric') =>
    createHarness(
      createDatabase,
      `CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE lines (id int PRIMARY KEY, order_id int, amount int);
       INSERT INTO orders VALUES (1); INSERT INTO lines VALUES (1, 1, 5)`,
      `CREATE TABLE docs (id int PRIMARY KEY, total ${total})`,
      { tables },
    )

  it.each([
    ['between two transactions', ['ALTER TABLE lines ALTER amount TYPE numeric', 'UPDATE lines SET amount = 1.5']],
    ['in one', ['BEGIN; ALTER TABLE lines ALTER amount TYPE numeric; UPDATE lines SET amount = 1.5; COMMIT']],
  ])('while it streams, %s', async (_, statements) => {
    await using sync = await open()
    await sync.streaming()
    for (const statement of statements) await sync.onSource(statement)
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT total FROM docs')).toEqual([{ total: '1.5' }])
  })

  it('with USING, of the table itself and of one read: what the values became is there', async () => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    await sync.onSource('INSERT INTO lines VALUES (2, 1, 7); INSERT INTO orders VALUES (2)')
    await sync.onSource('ALTER TABLE lines ALTER amount TYPE bigint USING amount * 100')
    const pipeline = await sync.streaming()
    const becomes = (rows: readonly unknown[]) =>
      vi.waitFor(async () => expect(await sync.onTarget('SELECT * FROM docs ORDER BY id')).toEqual(rows), {
        timeout: 20_000,
        interval: 50,
      })
    await becomes([
      { id: 1, total: '1200' },
      { id: 2, total: null },
    ])
    await reaches(pipeline, 'streaming')
    await sync.onSource(
      'ALTER TABLE lines ALTER amount TYPE bigint USING amount + 1; INSERT INTO lines VALUES (3, 2, 3)',
    )
    await becomes([
      { id: 1, total: '1202' },
      { id: 2, total: '3' },
    ])
    await reaches(pipeline, 'streaming')
    await sync.onSource('DELETE FROM lines WHERE id = 2')
    await becomes([
      { id: 1, total: '501' },
      { id: 2, total: '3' },
    ])
  })

  it('while sync is down: changes of before are applied too', async () => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    await sync.onSource('INSERT INTO lines VALUES (2, 1, 7)')
    await sync.onSource('ALTER TABLE lines ALTER amount TYPE numeric')
    await sync.onSource('UPDATE lines SET amount = 1.5 WHERE id = 1')
    await sync.streaming()
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT total FROM docs')).toEqual([{ total: '8.5' }])
  })

  it('invariant 13: that the target would round: stops', async () => {
    await using sync = await open('bigint')
    const pipeline = await sync.streaming()
    await sync.onSource('ALTER TABLE lines ALTER amount TYPE numeric')
    await sync.onSource('UPDATE lines SET amount = 1.5')
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_SOURCE_CHANGED',
      message: expect.stringMatching(
        /public\.orders, public\.lines .* is numeric by now, and public\.docs\.total.* bigint/,
      ),
    })
    expect(await sync.onTarget('SELECT total FROM docs')).toEqual([{ total: '5' }])
  })

  it('invariant 13: a numeric with more digits than the target keeps: stops', async () => {
    const precise = {
      source: 'orders',
      target: 'docs',
      key: { id: 'id' },
      reads: { 'public.lines': { order_id: 'id' } },
      forward: {
        total: '(SELECT max(l.amount)::numeric(6,2) FROM lines l WHERE l.order_id = orders.id)',
        price: 'price',
      },
    }
    await using sync = await createHarness(
      createDatabase,
      `CREATE TABLE orders (id int PRIMARY KEY, price numeric(6,2)); CREATE TABLE lines (id int PRIMARY KEY, order_id int, amount int);
       INSERT INTO orders VALUES (1, 1.25)`,
      `CREATE TABLE docs (id int PRIMARY KEY, total numeric(6,2), price numeric(6,2))`,
      { tables: [precise] },
    )
    const pipeline = await sync.streaming()
    await sync.onSource('ALTER TABLE orders ALTER price TYPE numeric(8,4)')
    await sync.onSource('UPDATE orders SET price = 1.2555')
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_SOURCE_CHANGED',
      message: expect.stringMatching(/"?price"? is numeric\(8,4\) by now, and public\.docs\.price.* numeric\(6,2\)/),
    })
    expect(await sync.onTarget('SELECT price FROM docs')).toEqual([{ price: '1.25' }])
  })
})
