import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { SyncInput } from '../mapping/define-sync.ts'
import { asPlainUser, createHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, tags text[], body text, hidden boolean NOT NULL DEFAULT false);
  ALTER TABLE products ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE notes (product int PRIMARY KEY, note text);
  INSERT INTO products SELECT n, 'product ' || n, ARRAY['a', 'b'], repeat('x', 20000) FROM generate_series(1, 9) n;
  INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 9) n;
`
const TARGET = `
  CREATE TABLE items (item_id bigint PRIMARY KEY, title text, body text, views int);
  CREATE TABLE visible (code text PRIMARY KEY, title text, views int);
  CREATE TABLE tags (item int, tag text, views int, PRIMARY KEY (item, tag));
  CREATE TABLE functions (id int PRIMARY KEY, title text, views int);
  CREATE TABLE documents (id int PRIMARY KEY, notes text[], views int);
  CREATE TABLE numbered (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, title text, views int);
`
const SYNC: SyncInput = {
  tables: [
    { source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name', body: 'body' } },
    {
      source: 'products',
      target: 'visible',
      key: { id: { to: 'code', forward: `'P' || id`, reverse: 'substr(code, 2)::int' } },
      where: 'NOT hidden',
      forward: { title: 'name' },
    },
    {
      source: 'products',
      target: 'tags',
      key: { id: 'item' },
      each: { rows: 'unnest(tags) AS tag(tag)', key: { tag: 'tag.tag' } },
      forward: {},
    },
    {
      source: 'products',
      target: 'functions',
      key: { id: 'id' },
      columns: { forward: ['title'] },
      forward: ({ name = null }: Readonly<Record<string, string | null>>) => ({ title: name }),
    },
    {
      source: 'products',
      target: 'documents',
      key: { id: 'id' },
      reads: { notes: { product: 'id' } },
      forward: { notes: '(SELECT array_agg(note ORDER BY note) FROM notes WHERE product = products.id)' },
    },
  ],
}
const TARGETS = ['items', 'visible', 'tags', 'functions', 'documents']

it('columns of the service’s own stay with a row whose key changes, whatever the mapping', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  for (const table of TARGETS) await sync.onTarget(`UPDATE ${table} SET views = 10`)
  await sync.onTarget('UPDATE items SET views = item_id * 100')
  await sync.onSource(`
    UPDATE products SET id = 1001 WHERE id = 1;
    UPDATE products SET id = 1002, name = 'renamed', tags = ARRAY['b', 'c'] WHERE id = 2;
    UPDATE products SET id = 1003, hidden = true WHERE id = 3;
    BEGIN;
    UPDATE products SET id = -1 WHERE id = 4; UPDATE products SET id = 4 WHERE id = 5; UPDATE products SET id = 5 WHERE id = -1;
    COMMIT;
    BEGIN; DELETE FROM products WHERE id = 6; UPDATE products SET id = 6 WHERE id = 7; COMMIT;
    BEGIN; UPDATE products SET id = 1008 WHERE id = 8; INSERT INTO products VALUES (8, 'new', ARRAY['n']); COMMIT;`)
  await sync.caughtUp()
  expect(
    await sync.onTarget('SELECT item_id::int AS id, title, length(body) AS body, views FROM items ORDER BY 1'),
  ).toEqual([
    { id: 4, title: 'product 5', body: 20_000, views: 500 },
    { id: 5, title: 'product 4', body: 20_000, views: 400 },
    { id: 6, title: 'product 7', body: 20_000, views: 700 },
    { id: 8, title: 'new', body: null, views: null },
    { id: 9, title: 'product 9', body: 20_000, views: 900 },
    { id: 1001, title: 'product 1', body: 20_000, views: 100 },
    { id: 1002, title: 'renamed', body: 20_000, views: 200 },
    { id: 1003, title: 'product 3', body: 20_000, views: 300 },
    { id: 1008, title: 'product 8', body: 20_000, views: 800 },
  ])
  const old = [4, 5, 6, 9, 1001, 1002, 1003, 1008]
  const kept = (ids: readonly number[]) => [...ids.map(id => ({ id, views: 10 })), { id: 8, views: null }]
  const byId = (rows: readonly { id: number }[]) => rows.toSorted((a, b) => a.id - b.id)
  const visible = await sync.onTarget(`SELECT substr(code, 2)::int AS id, views FROM visible ORDER BY 1`)
  expect(visible).toEqual(byId(kept(old.filter(id => id !== 1003))))
  for (const table of ['functions', 'documents'])
    expect(await sync.onTarget(`SELECT id, views FROM ${table} ORDER BY id`), table).toEqual(byId(kept(old)))
  expect(await sync.onTarget('SELECT item, tag, views FROM tags WHERE item IN (8, 1001, 1002) ORDER BY 1, 2')).toEqual([
    { item: 8, tag: 'n', views: null },
    { item: 1001, tag: 'a', views: 10 },
    { item: 1001, tag: 'b', views: 10 },
    { item: 1002, tag: 'b', views: 10 },
    { item: 1002, tag: 'c', views: null },
  ])
})

it('a trigger of the target’s sees one change where key and values change', async () => {
  const noted = `
    CREATE TABLE writes (op text, relation text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO writes VALUES (TG_OP, TG_RELNAME); RETURN NULL; END $$;
    ${['items', 'visible', 'functions'].map(table => `CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note;`).join('')}`
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.onTarget(noted)
  await sync.onSource(`
    UPDATE products SET id = 1001, name = 'renamed', body = 'short' WHERE id = 1;
    UPDATE products SET id = 1002 WHERE id = 2;
    UPDATE products SET id = 1003, name = NULL, hidden = true WHERE id = 3;`)
  await sync.caughtUp()
  const count = 'SELECT relation, op, count(*)::int AS n FROM writes GROUP BY 1, 2 ORDER BY 1, 2'
  expect(await sync.onTarget(count)).toEqual([
    { relation: 'functions', op: 'UPDATE', n: 3 },
    { relation: 'items', op: 'UPDATE', n: 3 },
    // The third row is deleted there, under its new key.
    { relation: 'visible', op: 'DELETE', n: 1 },
    { relation: 'visible', op: 'UPDATE', n: 3 },
  ])
  expect(
    await sync.onTarget('SELECT item_id::int AS id, title, length(body) AS body FROM items WHERE item_id > 1000'),
  ).toEqual([
    { id: 1001, title: 'renamed', body: 5 },
    { id: 1002, title: 'product 2', body: 20_000 },
    { id: 1003, title: null, body: 20_000 },
  ])
})

it('a row whose number the target makes itself is made anew', async () => {
  const input = { tables: [{ source: 'products', target: 'numbered', key: { id: 'id' }, forward: { title: 'name' } }] }
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, input)
  await sync.streaming()
  await sync.onSource(`UPDATE products SET id = 10 WHERE id = 1; UPDATE products SET id = 1 WHERE id = 2`)
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT id, title FROM numbered WHERE id IN (1, 2, 10) ORDER BY id')).toEqual([
    { id: 1, title: 'product 2' },
    { id: 10, title: 'product 1' },
  ])
})

it('foreign keys follow a key that changes where the target’s triggers fire', async () => {
  const key = (table: string, forward: Record<string, string>) => ({
    source: table,
    target: table,
    key: { id: 'id' },
    forward,
  })
  const tables = [key('children', { parent: 'parent' }), key('parents', { name: 'name' })]
  const shop = `
    CREATE TABLE parents (id int PRIMARY KEY, name text);
    CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON UPDATE CASCADE);`
  await using sync = await createHarness(
    createDatabase,
    `${shop} INSERT INTO parents SELECT n, 'p' FROM generate_series(1, 5) n; INSERT INTO children SELECT n, n FROM generate_series(1, 5) n`,
    `${shop} CREATE TABLE favourites (who int, parent int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE)`,
    { tables },
  )
  const plain = await asPlainUser(sync, ['parents', 'children'], ['parents', 'children', 'favourites'])
  const pipeline = await plain.streaming()
  await sync.onTarget('INSERT INTO favourites VALUES (1, 3)')
  await sync.onSource('UPDATE parents SET id = 100 WHERE id = 3')
  await sync.caughtUp()
  expect(pipeline.status()).toMatchObject({ state: 'streaming', parked: 0 })
  expect(await sync.onTarget('SELECT who, parent FROM favourites')).toEqual([{ who: 1, parent: 100 }])
  expect(await sync.onTarget('SELECT id, parent FROM children WHERE id = 3')).toEqual([{ id: 3, parent: 100 }])
})
