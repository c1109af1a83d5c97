import { createDatabase } from '@ficus/deploy/testing/postgres'
import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { createProgressTable } from '../apply/progress.ts'
import { openSession } from '../database/session.ts'
import { createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import { dropIndexes, rebuildIndexes, restoreIndexes } from './deferred-indexes.ts'
import { claimTarget } from './target-tables.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 1000) n`
const SYNC = {
  tables: [{ source: 'products', target: 'shop."Items"', key: { id: 'item id' }, forward: { title: 'name' } }],
}
const PLAIN = `CREATE SCHEMA shop; CREATE TABLE shop."Items" ("item id" int PRIMARY KEY, title text)`
const ODD = `
  ${PLAIN};
  ALTER TABLE shop."Items" ADD UNIQUE NULLS NOT DISTINCT (title, "item id") DEFERRABLE INITIALLY DEFERRED;
  CREATE INDEX "a ON b" ON shop."Items" (lower(title) DESC NULLS LAST) INCLUDE ("item id") WHERE title IS NOT NULL;
  CREATE UNIQUE INDEX ON shop."Items" ("item id", (length(title)));
  CREATE FUNCTION shop.trimmed(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT trim($1)';
  CREATE INDEX of_ours ON shop."Items" (shop.trimmed(title) text_pattern_ops);
  CREATE INDEX hashed ON shop."Items" USING hash (title)`
const KEY = { capability: 'catalog', direction: 'forward' } as const
const ITEMS = { schema: 'shop', table: 'Items' }
const NEVER = new AbortController().signal

interface Context extends AsyncDisposable {
  readonly sync: SyncHarness
  readonly client: Client
  /** Everything that the catalog says of indexes and constraints. */
  shape(): Promise<unknown[]>
  indexes(): Promise<unknown[]>
  count(): Promise<unknown>
}

/** A target that a first copy has claimed: as it is left when the process dies then. */
async function claimed(target: string): Promise<Context> {
  const sync = await createHarness(createDatabase, SOURCE, target, SYNC)
  const client = await openSession(sync.target)
  await createProgressTable(client, sync.target)
  await claimTarget(client, sync.target, { ...KEY, ledger: LEDGER }, [ITEMS])
  const indexes = () =>
    sync.onTarget(
      `SELECT pg_get_indexdef(indexrelid) AS index, pg_get_constraintdef(c.oid) AS constraint, indisvalid AS valid
       FROM pg_index LEFT JOIN pg_constraint c ON conindid = indexrelid AND contype <> 'f'
       WHERE indrelid = 'shop."Items"'::regclass ORDER BY 1`,
    )
  return {
    sync,
    client,
    indexes,
    shape: async () => [
      ...(await indexes()),
      ...(await sync.onTarget(
        `SELECT conname, contype FROM pg_constraint WHERE connamespace = 'shop'::regnamespace ORDER BY 1`,
      )),
      ...(await sync.onTarget(
        `SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'shop."Items"'::regclass AND attnum > 0`,
      )),
      ...(await sync.onTarget('SELECT dropped_indexes FROM ficus.progress')),
    ],
    count: async () => (await sync.onTarget('SELECT count(*)::int AS n FROM shop."Items"'))[0]?.n,
    [Symbol.asyncDispose]: async () => {
      await client.end()
      await sync[Symbol.asyncDispose]()
    },
  }
}

const ROWS = `INSERT INTO shop."Items" SELECT n, 'item ' || n FROM generate_series(1, 100) n`

it('makes all indexes and constraints again, exactly as they were', async () => {
  await using context = await claimed(ODD)
  const { sync, client } = context
  const before = await context.shape()
  const epoch = await dropIndexes(client, KEY, [ITEMS], true)
  expect(await context.indexes()).toEqual([])
  await sync.onTarget(ROWS)
  await rebuildIndexes(sync.target, KEY, epoch, NEVER)
  expect(await context.shape()).toEqual(before)
  expect(await context.count()).toBe(100)
})

it('makes them again where a copy was broken off, and removes its rows; not where another has begun since', async () => {
  await using context = await claimed(ODD)
  const { sync, client } = context
  const before = await context.shape()
  const epoch = await dropIndexes(client, KEY, [ITEMS], true)
  await sync.onTarget(`${ROWS}; INSERT INTO shop."Items" VALUES (1, 'a duplicate')`)
  await restoreIndexes(client, KEY, epoch - 1)
  await expect(rebuildIndexes(sync.target, KEY, epoch - 1, NEVER)).rejects.toThrow('another copy has begun')
  expect([await context.indexes(), await context.count()]).toEqual([[], 101])
  // Somebody could not wait.
  await sync.onTarget('CREATE INDEX hashed ON shop."Items" USING hash (title)')
  await restoreIndexes(client, KEY)
  await restoreIndexes(client, KEY)
  expect(await context.shape()).toEqual(before)
  expect(await context.count()).toBe(0)
})

it('keeps what cannot be made again as it was, and what something else needs', async () => {
  const spoils = [
    'CREATE TABLE shop.parts (item int REFERENCES shop."Items")',
    'CREATE PUBLICATION theirs FOR TABLE shop."Items"',
    'ALTER TABLE shop."Items" REPLICA IDENTITY USING INDEX "Items_pkey"',
    'ALTER TABLE shop."Items" CLUSTER ON "Items_pkey"',
    'ALTER INDEX shop."Items_pkey" SET (fillfactor = 70)',
    `COMMENT ON CONSTRAINT "Items_pkey" ON shop."Items" IS 'dear to us'`,
    'CREATE VIEW shop.v AS SELECT "item id", title FROM shop."Items" GROUP BY "item id"',
    'CREATE TABLE shop.child () INHERITS (shop."Items")',
    `CREATE FUNCTION shop.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
     CREATE TRIGGER t BEFORE INSERT ON shop."Items" FOR EACH ROW EXECUTE FUNCTION shop.f();
     ALTER TABLE shop."Items" ENABLE ALWAYS TRIGGER t`,
  ]
  await using context = await claimed(PLAIN)
  for (const spoil of spoils) {
    await context.sync.onTarget('DROP SCHEMA shop CASCADE; DROP PUBLICATION IF EXISTS theirs')
    await context.sync.onTarget(`${PLAIN}; ${spoil}`)
    const before = await context.shape()
    await dropIndexes(context.client, KEY, [ITEMS], true)
    expect(await context.shape(), spoil).toEqual(before)
  }
})

it('keeps the indexes of a table that somebody holds a lock on', async () => {
  await using context = await claimed(PLAIN)
  const before = await context.shape()
  await context.sync.onTarget('BEGIN; LOCK TABLE shop."Items" IN ACCESS SHARE MODE')
  await dropIndexes(context.client, KEY, [ITEMS], true)
  await context.sync.onTarget('COMMIT')
  expect(await context.shape()).toEqual(before)
})

describe('invariant 10: a copy that died without the indexes', () => {
  it('leaves them to the next one', async () => {
    await using context = await claimed(ODD)
    const { sync, client } = context
    const before = await context.indexes()
    await dropIndexes(client, KEY, [ITEMS], true)
    await sync.onTarget(ROWS)
    await sync.streaming()
    expect([await context.indexes(), await context.count()]).toEqual([before, 1000])
  })

  it('leaves them to the way back', async () => {
    await using context = await claimed(ODD)
    const { sync, client } = context
    const before = await context.indexes()
    await dropIndexes(client, KEY, [ITEMS], true)
    await sync.onTarget(ROWS)
    expect(await sync.pipeline().drop()).toEqual({ existed: true })
    expect([await context.indexes(), await context.count()]).toEqual([before, 0])
  })
})

it('says which constraint refuses the rows, and leaves the indexes there', async () => {
  await using context = await claimed(`${PLAIN}; ALTER TABLE shop."Items" ADD UNIQUE (title)`)
  const { sync } = context
  const before = await context.indexes()
  await sync.onSource(`UPDATE products SET name = 'product 1' WHERE id = 500`)
  const pipeline = sync.pipeline()
  await pipeline.start()
  await reaches(pipeline, 'failed')
  expect(pipeline.status().error).toMatchObject({
    code: 'FICUS_CHANGE_REFUSED',
    message: expect.stringMatching(
      /shop\."Items" cannot take the copy of public\.products: could not create unique index "Items_title_key"$/,
    ),
  })
  expect(await context.indexes()).toEqual(before)
  await sync.onSource(`UPDATE products SET name = 'product 500' WHERE id = 500`)
  await sync.streaming()
  expect([await context.indexes(), await context.count()]).toEqual([before, 1000])
})

it.each([
  ['after', 'makes them anew when the rows are there', false],
  ['during', 'keeps them all the while', true],
] as const)('with `copyIndexes: %s` %s', async (copyIndexes, _what, kept) => {
  await using sync = await createHarness(createDatabase, SOURCE, PLAIN, SYNC)
  const oid = async () => (await sync.onTarget(`SELECT 'shop."Items_pkey"'::regclass::oid`))[0]?.oid
  const before = await oid()
  await (await sync.streaming({ copyIndexes })).stop()
  expect(await sync.onTarget('SELECT count(*)::int AS n FROM shop."Items"')).toEqual([{ n: 1_000 }])
  expect((await oid()) === before).toBe(kept)
})
