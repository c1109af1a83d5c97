import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { asPlainUser, createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE categories (id int PRIMARY KEY, parent int REFERENCES categories, name text);
  CREATE TABLE products (id int PRIMARY KEY, category int NOT NULL REFERENCES categories, name text);
  INSERT INTO categories SELECT n, nullif(n / 2, 0), 'c' || n FROM generate_series(1, 50) n;
  INSERT INTO products SELECT n, n % 50 + 1, 'p' || n FROM generate_series(1, 500) n;
`
const TARGET = `
  CREATE TABLE taxa (id int PRIMARY KEY, parent int REFERENCES taxa, name text);
  CREATE TABLE items (id int PRIMARY KEY, taxon int NOT NULL REFERENCES taxa, name text);
  CREATE TABLE audit (id int);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NULL; END $$;
  CREATE TRIGGER note AFTER UPDATE ON items FOR EACH ROW EXECUTE FUNCTION note();
`
/** Children first: sync finds the right order itself. */
const SYNC = {
  tables: [
    { source: 'products', target: 'items', key: { id: 'id' }, forward: { taxon: 'category', name: 'name' } },
    { source: 'categories', target: 'taxa', key: { id: 'id' }, forward: { parent: 'parent', name: 'name' } },
  ],
}

async function changeAndCompare(sync: SyncHarness): Promise<void> {
  await sync.onSource(`
    BEGIN;
    INSERT INTO categories VALUES (100, 50, 'new');
    INSERT INTO products VALUES (1000, 100, 'new');
    UPDATE products SET category = 100 WHERE category = 50;
    UPDATE categories SET parent = 100 WHERE parent = 25;
    DELETE FROM categories WHERE id = 50 AND false;
    DELETE FROM products WHERE category = 49;
    DELETE FROM categories WHERE id = 49;
    COMMIT`)
  await sync.onSource('TRUNCATE products')
  await sync.onSource(`INSERT INTO products VALUES (1, 1, 'after')`)
  await sync.onSource(`UPDATE products SET name = 'again'`)
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT id, taxon, name FROM items ORDER BY id')).toEqual(
    await sync.onSource('SELECT id, category AS taxon, name FROM products ORDER BY id'),
  )
  expect(await sync.onTarget('SELECT id, parent, name FROM taxa ORDER BY id')).toEqual(
    await sync.onSource('SELECT id, parent, name FROM categories ORDER BY id'),
  )
}

it('with the right to, sync writes as replication does: the target’s triggers stay silent', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await changeAndCompare(sync)
  expect(await sync.onTarget('SELECT * FROM audit')).toEqual([])
})

it('without it, rows come in the order that foreign keys want', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const plain = await asPlainUser(sync, ['products', 'categories'], ['items', 'taxa', 'audit'])
  const pipeline = await plain.streaming()
  await changeAndCompare(plain)
  await sync.onTarget('TRUNCATE audit')
  await sync.onSource(`UPDATE products SET name = 'once more'`)
  await plain.caughtUp()
  expect(await sync.onTarget('SELECT id FROM audit')).toEqual([{ id: 1 }])
  expect(await pipeline.drop()).toEqual({ existed: true })
  expect(await sync.onTarget('SELECT FROM items')).toEqual([])
})

it('without it, a table that refers to itself is copied whole, wherever its parents stand', async () => {
  // Of two ranges at least, and each row's parent behind it.
  const rows = `INSERT INTO nodes SELECT n, nullif(n + 1, 25001), repeat('x', 400) FROM generate_series(1, 25000) n`
  const table = 'CREATE TABLE nodes (id int PRIMARY KEY, parent int, pad text)'
  const input = {
    tables: [{ source: 'nodes', target: 'nodes', key: { id: 'id' }, forward: { parent: 'parent', pad: 'pad' } }],
  }
  const target = `${table}; ALTER TABLE nodes ADD FOREIGN KEY (parent) REFERENCES nodes`
  await using sync = await createHarness(createDatabase, `${table}; ${rows}; ANALYZE nodes`, target, input)
  expect(await sync.onSource(`SELECT pg_relation_size('nodes') > 8 * 1024 * 1024 AS large`)).toEqual([{ large: true }])
  const plain = await asPlainUser(sync, ['nodes'], ['nodes'])
  await plain.streaming()
  expect(await sync.onTarget('SELECT count(*)::int AS n FROM nodes')).toEqual([{ n: 25_000 }])
})
