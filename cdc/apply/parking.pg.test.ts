import { createDatabase, type TestDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { encodeTextTuple } from '../change-source/tuple.ts'
import { withSession } from '../database/session.ts'
import { CAPABILITY, createHarness, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import { insertParked, parkedKeys, readParked, readRawChanges } from './parked.ts'
import { joinChanges } from './raw-change.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(12,2));
  INSERT INTO products SELECT n, 'product ' || n, n FROM generate_series(1, 20) n;
`
const TARGET = `
  CREATE TABLE items (item_id int PRIMARY KEY, title text, cents bigint CONSTRAINT not_negative CHECK (cents >= 0));
  CREATE TABLE names (item_id int PRIMARY KEY, title text);
`
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'name', cents: '(price * 100)::bigint' },
    },
    { source: 'products', target: 'names', key: { id: 'item_id' }, forward: { title: 'name' } },
  ],
}
const EXPECTED = 'SELECT id::int AS item_id, name AS title, (price * 100)::bigint AS cents FROM products'
const ACTUAL = 'SELECT item_id, title, cents FROM items'
const KEY = { capability: CAPABILITY, direction: 'forward' } as const

const createSync = () => createHarness(createDatabase, SOURCE, TARGET, SYNC)
const parkedIn = (sync: SyncHarness) => withSession(sync.target, client => readParked(client, KEY))

/** A target that knows fewer characters than its source. */
async function inLatin1(prefix: string): Promise<TestDatabase> {
  const database = await createDatabase(prefix)
  if (prefix !== 'target') return database
  const name = `${database.name}_latin1`
  await runSql(database.url, `CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
  const url = new URL(database.url)
  url.pathname = `/${name}`
  return {
    url: url.href,
    name,
    [Symbol.asyncDispose]: async () => {
      await runSql(database.url, `DROP DATABASE ${name} WITH (FORCE)`)
      await database[Symbol.asyncDispose]()
    },
  }
}

async function runSql(url: string, sql: string): Promise<void> {
  await withSession({ url, name: 'the server' }, async client => void (await client.query(sql)))
}

/** Both sides' rows, but for the ids given, are the same. */
async function expectEqualBut(sync: SyncHarness, ...ids: number[]): Promise<void> {
  const except = `WHERE NOT (id = ANY ('{${ids.join(',')}}')) ORDER BY 1`
  const rows = await sync.onSource(`${EXPECTED} ${except}`)
  expect(await sync.onTarget(`${ACTUAL} ${except.replace('id', 'item_id')}`)).toEqual(rows)
  const names = rows.map(({ item_id, title }) => ({ item_id, title }))
  expect(await sync.onTarget(`SELECT * FROM names ${except.replace('id', 'item_id')}`)).toEqual(names)
}

describe('invariant 11: a change that the target refuses', () => {
  it('is parked with event, key and reason; it blocks its key, in order, and nothing else', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    await sync.onSource(
      `BEGIN; UPDATE products SET name = 'before'; UPDATE products SET price = -1 WHERE id = 7; COMMIT`,
    )
    await sync.caughtUp()
    await sync.onSource(`UPDATE products SET name = 'after'`)
    await sync.onSource('DELETE FROM products WHERE id = 7')
    await sync.caughtUp()
    await expectEqualBut(sync, 7)
    // All of a change's targets, or none: `names` would have taken it.
    expect(await sync.onTarget('SELECT title FROM names WHERE item_id = 7')).toEqual([{ title: 'before' }])

    const parked = await parkedIn(sync)
    expect(parked).toMatchObject([
      {
        table: 'public.products',
        targets: ['public.items', 'public.names'],
        kind: 'update',
        key: { id: '7' },
        event: { op: 'u', after: { id: '7', name: 'before', price: '-1.00' }, source: { table: 'products' } },
        reason: expect.stringContaining('not_negative'),
        sqlState: '23514',
        position: expect.stringMatching(/^[0-9A-F]+\//),
        attempts: 0,
      },
      { kind: 'update', key: { id: '7' }, event: { after: { name: 'after' } }, reason: null },
      { kind: 'delete', key: { id: '7' }, event: { op: 'd', before: { id: '7' }, after: null }, reason: null },
    ])
    expect(pipeline.status()).toMatchObject({ state: 'streaming', parked: 3, error: null })
    expect(await parkedKeys(sync.target, KEY)).toEqual(new Map([['public.products', [{ id: '7' }]]]))
  })

  it('blocks the old and the new key, where it changes the key', async () => {
    await using sync = await createSync()
    await sync.streaming()
    await sync.onSource('UPDATE products SET id = 107, price = -1 WHERE id = 7')
    await sync.onSource(`INSERT INTO products VALUES (7, 'another', 5)`)
    await sync.onSource(`UPDATE products SET name = 'later' WHERE id = 107`)
    await sync.onSource('UPDATE products SET id = 108 WHERE id = 107')
    await sync.onSource(`UPDATE products SET name = 'last' WHERE id IN (108, 9)`)
    await sync.caughtUp()
    const parked = await parkedIn(sync)
    expect(parked.map(({ kind, blocks }) => [kind, ...blocks.map(key => JSON.parse(key).id).sort()])).toEqual([
      ['update', '107', '7'],
      ['insert', '7'],
      ['update', '107'],
      ['update', '107', '108'],
      ['update', '108'],
    ])
    await expectEqualBut(sync, 7, 107, 108)
  })

  it('is superseded by a TRUNCATE, which frees its key', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    await sync.onSource('UPDATE products SET price = -1 WHERE id IN (7, 8)')
    await sync.caughtUp()
    await sync.onSource(`BEGIN; UPDATE products SET name = 'x' WHERE id = 7; TRUNCATE products;
      INSERT INTO products VALUES (7, 'new', 1), (8, 'bad', -8), (9, 'nine', 9); COMMIT`)
    await sync.caughtUp()
    await expectEqualBut(sync, 8)
    expect(await sync.onTarget('SELECT key, outcome, closed_by, reason FROM ficus.parked_closed ORDER BY id')).toEqual(
      ['7', '8', '7'].map(id => ({
        key: { id },
        outcome: 'superseded',
        closed_by: 'sync',
        reason: 'public.products was truncated',
      })),
    )
    expect(await parkedIn(sync)).toMatchObject([{ kind: 'insert', key: { id: '8' } }])
    expect(pipeline.status().parked).toBe(1)
    await expect(sync.onTarget('DELETE FROM ficus.parked_closed')).rejects.toThrow('append-only')
  })

  it('still blocks its key after a restart, and after the shape of its table changed', async () => {
    await using sync = await createSync()
    const first = await sync.streaming()
    await sync.onSource('UPDATE products SET price = -1 WHERE id = 7')
    await sync.caughtUp()
    await first.stop()
    await sync.onSource(`UPDATE products SET name = 'while it was stopped', price = 1`)
    const second = await sync.streaming()
    await sync.caughtUp()
    await sync.onSource('ALTER TABLE products ALTER COLUMN id TYPE bigint, ADD COLUMN extra text')
    await sync.onSource(`UPDATE products SET name = 'in another shape'`)
    await sync.caughtUp()
    await expectEqualBut(sync, 7)
    expect((await parkedIn(sync)).map(({ key, reason }) => [key, reason !== null])).toEqual([
      [{ id: '7' }, true],
      [{ id: '7' }, false],
      [{ id: '7' }, false],
    ])
    expect(second.status().parked).toBe(3)
  })

  it('is parked from within a transaction larger than a batch', async () => {
    await using sync = await createSync()
    await sync.streaming({ batchRows: 10 })
    await sync.onSource(
      `INSERT INTO products SELECT n, 'n', CASE n WHEN 133 THEN -1 ELSE n END FROM generate_series(100, 200) n`,
    )
    await sync.onSource(`UPDATE products SET name = 'after' WHERE id IN (133, 134)`)
    await sync.caughtUp()
    await expectEqualBut(sync, 133)
    expect(await parkedIn(sync)).toMatchObject([{ kind: 'insert' }, { kind: 'update' }])
  })

  it('is parked by an expression that fails on its row', async () => {
    const columns = { doc: `doc::jsonb ->> 'a'` }
    await using sync = await createHarness(
      createDatabase,
      'CREATE TABLE notes (id int PRIMARY KEY, doc json)',
      'CREATE TABLE notes (id int PRIMARY KEY, doc text)',
      { tables: [{ source: 'notes', target: 'notes', key: { id: 'id' }, forward: columns }] },
    )
    await sync.streaming()
    await sync.onSource(String.raw`INSERT INTO notes VALUES (1, '{"a": "\u0000"}'), (2, '{"a": "fine"}')`)
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT * FROM notes')).toEqual([{ id: 2, doc: 'fine' }])
    expect(await parkedIn(sync)).toMatchObject([{ key: { id: '1' }, sqlState: '22P05' }])
  })

  it('is parked without its event where the target cannot even show its value', async () => {
    const table = 'CREATE TABLE notes (id int, region text, body text, PRIMARY KEY (region, id))'
    await using sync = await createHarness(inLatin1, table, table, {
      tables: [{ source: 'notes', target: 'notes', key: { region: 'region', id: 'id' }, forward: { body: 'body' } }],
    })
    await sync.streaming()
    await sync.onSource(`INSERT INTO notes VALUES (1, 'north', '5 €'), (2, 'north', '£ 5'), (3, '€', 'fine')`)
    await sync.onSource(`UPDATE notes SET body = 'later'`)
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT * FROM notes')).toEqual([{ id: 2, region: 'north', body: 'later' }])
    expect((await parkedIn(sync)).map(({ kind, key, event }) => [kind, key, event !== null])).toEqual([
      ['insert', { region: 'north', id: '1' }, false],
      ['insert', { region: String.raw`\xe282ac`, id: String.raw`\x00000003` }, false],
      ['update', { region: 'north', id: '1' }, true],
      ['update', { region: String.raw`\xe282ac`, id: String.raw`\x00000003` }, false],
    ])
  })

  it('is parked without its event where that is larger than jsonb can be', async () => {
    await using sync = await createSync()
    await (await sync.streaming()).stop()
    const columns = [{ name: 'id', type: 'int4', identity: true }]
    const relation = { table: { schema: 'public', table: 'products' }, format: 'text', columns } as const
    const { data, changes } = joinChanges([
      { kind: 'insert', relation, oldTuple: null, newTuple: encodeTextTuple(['7']) },
    ])
    const [change] = changes
    if (change === undefined) throw new TypeError('there is a change')
    const described = {
      table: 'public.products',
      targets: ['public.items'],
      kind: change.kind,
      key: { id: '7' },
      keys: ['{"id":"7"}'],
      event: {
        op: 'c',
        before: null,
        after: { name: 'x'.repeat(2 ** 28) },
        source: { connector: 'postgresql', schema: 'public', table: 'products' },
      },
    } as const
    await withSession(sync.target, async client => {
      await client.query('BEGIN')
      await insertParked(client, KEY, { data, position: null, lastCommit: null }, change, described, null)
      await client.query('COMMIT')
      const [parked] = await readParked(client, KEY)
      expect(parked).toMatchObject({ event: null, key: { id: '7' } })
      expect(await readRawChanges(client, [parked?.id ?? 0])).toMatchObject([{ newTuple: encodeTextTuple(['7']) }])
    })
  })

  it('tells no value of a row outside the target: neither where it is parked nor where sync stops for it', async () => {
    await using sync = await createSync()
    await sync.onTarget(`
      CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room for %', NEW.title; END $$;
      CREATE TRIGGER guard BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION guard();
      ALTER TABLE items ENABLE ALWAYS TRIGGER guard`)
    const pipeline = await sync.streaming({ maxParked: 1 })
    await sync.onSource(`UPDATE products SET name = 'jane@example.org' WHERE id IN (3, 4)`)
    await reaches(pipeline, 'failed')
    const plainReason = 'raise_exception (SQLSTATE P0001), raised by guard(); its words are in the log of that server'
    expect(pipeline.status().error?.message).toContain(plainReason)
    expect(JSON.stringify(pipeline.status())).not.toContain('jane')
    await pipeline.stop()
    const parking = sync.pipeline({ maxParked: 5 })
    await parking.start()
    await sync.caughtUp()
    expect(await parkedIn(sync)).toMatchObject([
      { reason: 'no room for jane@example.org', plainReason },
      { reason: 'no room for jane@example.org', plainReason },
    ])
  })

  it('stops sync where too many are parked, and goes on once there is room', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming({ maxParked: 2 })
    await sync.onSource('UPDATE products SET price = -1 WHERE id IN (3, 4)')
    await sync.caughtUp()
    await sync.onSource('UPDATE products SET price = -1 WHERE id = 5')
    await reaches(pipeline, 'failed')
    expect(pipeline.status()).toMatchObject({
      parked: 2,
      error: {
        code: 'FICUS_CHANGE_REFUSED',
        message: expect.stringMatching(/public\.products \(id = 5\): .*not_negative.*2 changes are parked already/),
        remedy: expect.stringContaining('ficus parked catalog'),
      },
    })
    await sync.streaming()
    await sync.caughtUp()
    await expectEqualBut(sync, 3, 4, 5)
  })

  it('stops sync at once where the statement is wrong, whatever the row', async () => {
    await using sync = await createSync()
    const pipeline = await sync.streaming()
    await sync.onTarget('ALTER TABLE items RENAME COLUMN title TO label')
    await sync.onSource(`UPDATE products SET name = 'any'`)
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error?.message).toContain('title')
    expect(await parkedIn(sync)).toEqual([])
  })
})
