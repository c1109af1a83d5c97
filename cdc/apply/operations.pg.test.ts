import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TYPE status AS ENUM ('active', 'gone');
  CREATE TABLE products (
    id int PRIMARY KEY, sku text NOT NULL UNIQUE, name text NOT NULL, price numeric(12,2) NOT NULL DEFAULT 1,
    body text, status status NOT NULL DEFAULT 'active', deleted_at timestamptz, stock int NOT NULL DEFAULT 0
  );
  ALTER TABLE products ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE "Order Lines" ("Order" int, line int, note text, PRIMARY KEY ("Order", line));
  CREATE TABLE tags (product int NOT NULL, tag text NOT NULL);
  ALTER TABLE tags REPLICA IDENTITY FULL;
  CREATE TABLE articles (id int PRIMARY KEY, title text, body text);
  CREATE TABLE pages (id int PRIMARY KEY, title text, body text);
  ALTER TABLE articles ALTER COLUMN body SET STORAGE EXTERNAL;
  ALTER TABLE pages ALTER COLUMN body SET STORAGE EXTERNAL;
`
const TARGET = `
  CREATE SCHEMA "Catalog";
  CREATE TABLE "Catalog".items (
    item_id bigint PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, names jsonb NOT NULL, cents bigint NOT NULL, body text,
    body_length int, status text NOT NULL, views int NOT NULL DEFAULT 0
  );
  CREATE TABLE "Catalog".live (id int PRIMARY KEY, sku text, body text);
  CREATE TABLE lines ("order" int, "Line No" smallint, note text, PRIMARY KEY ("order", "Line No"));
  CREATE TABLE labels (item int, label text, PRIMARY KEY (item, label));
  CREATE TABLE articles (id int PRIMARY KEY, title text, body text, body_length int, views int NOT NULL DEFAULT 0);
  CREATE TABLE pages (id int PRIMARY KEY, title text, summary text);
`
const SYNC = {
  tables: [
    {
      source: 'products',
      target: '"Catalog".items',
      key: { id: 'item_id' },
      forward: {
        code: 'sku',
        names: `jsonb_build_object('en', name, 'sku', products.sku)`,
        cents: '(price * 100)::bigint',
        body: 'body',
        body_length: 'length(body)',
        status: 'upper(status::text)',
      },
    },
    {
      source: 'products',
      target: '"Catalog".live',
      key: { id: 'id' },
      where: 'deleted_at IS NULL',
      forward: { sku: 'sku', body: 'body' },
    },
    {
      source: 'public."Order Lines"',
      target: 'lines',
      key: { Order: 'order', line: 'Line No' },
      forward: { note: 'note' },
    },
    // Each expression reads the long text alone or not at all; and one that reads both.
    {
      source: 'articles',
      target: 'articles',
      key: { id: 'id' },
      forward: { title: 'title', body: 'body', body_length: 'length(body)' },
    },
    {
      source: 'pages',
      target: 'pages',
      key: { id: 'id' },
      forward: { title: 'title', summary: `title || ': ' || left(body, 10)` },
    },
    { source: 'tags', target: 'labels', key: { product: 'item', tag: 'label' }, forward: {} },
  ],
}

/** What the target must hold, computed by the source. */
const MAPPED = {
  items: `SELECT id::text AS item_id, sku AS code, jsonb_build_object('en', name, 'sku', sku) AS names, (price * 100)::bigint AS cents,
    body, length(body) AS body_length, upper(status::text) AS status FROM products ORDER BY id`,
  live: 'SELECT id, sku, body FROM products WHERE deleted_at IS NULL ORDER BY id',
  lines: 'SELECT "Order" AS "order", line AS "Line No", note FROM "Order Lines" ORDER BY 1, 2',
  articles: 'SELECT id, title, body, length(body) AS body_length FROM articles ORDER BY id',
  pages: `SELECT id, title, title || ': ' || left(body, 10) AS summary FROM pages ORDER BY id`,
  labels: 'SELECT product AS item, tag AS label FROM tags ORDER BY 1, 2',
}
const ACTUAL = {
  items:
    'SELECT item_id::text, code, names, cents, body, body_length, status FROM "Catalog".items ORDER BY item_id::int',
  live: 'SELECT id, sku, body FROM "Catalog".live ORDER BY id',
  lines: 'SELECT "order", "Line No", note FROM lines ORDER BY 1, 2',
  articles: 'SELECT id, title, body, body_length FROM articles ORDER BY id',
  pages: 'SELECT id, title, summary FROM pages ORDER BY id',
  labels: 'SELECT item, label FROM labels ORDER BY 1, 2',
}

async function expectEqual(sync: SyncHarness): Promise<void> {
  await sync.caughtUp()
  for (const table of ['items', 'live', 'lines', 'labels', 'articles', 'pages'] as const) {
    expect(await sync.onTarget(ACTUAL[table]), table).toEqual(await sync.onSource(MAPPED[table]))
  }
}

/** A text that goes to TOAST. */
const LONG = (letter: string) => `repeat('${letter}', 20000)`
const SEED = `
  INSERT INTO products (id, sku, name, body) SELECT n, 'sku-' || n, 'name ' || n, ${LONG('x')} FROM generate_series(1, 10) n;
  INSERT INTO "Order Lines" SELECT o, l, 'note' FROM generate_series(1, 3) o, generate_series(1, 3) l;
  INSERT INTO articles SELECT n, 'title ' || n, ${LONG('a')} FROM generate_series(1, 5) n;
  INSERT INTO pages SELECT n, 'title ' || n, ${LONG('p')} FROM generate_series(1, 5) n;
  INSERT INTO tags SELECT n, 'tag' FROM generate_series(1, 5) n;
`

describe('invariant 3: every kind of change', () => {
  const cases: Record<string, readonly string[]> = {
    'insert, with nulls and empty texts': [
      `INSERT INTO products (id, sku, name, body) VALUES (11, '', '', NULL), (12, 'ü', '"', E'a\\nb\\\\')`,
    ],
    'update of all rows': [`UPDATE products SET price = price * 2.5`],
    delete: ['DELETE FROM products WHERE id > 5', 'DELETE FROM "Order Lines" WHERE "Order" = 2'],
    'update of the primary key': [
      `UPDATE products SET id = id + 100 WHERE id <= 3`,
      `UPDATE "Order Lines" SET line = 9 WHERE line = 3`,
      `BEGIN; UPDATE products SET id = -1 WHERE id = 9; UPDATE products SET id = 9 WHERE id = 10; UPDATE products SET id = 10 WHERE id = -1; COMMIT`,
    ],
    'truncate, and rows after it': [
      `BEGIN; UPDATE products SET price = 7; TRUNCATE products; INSERT INTO products (id, sku, name) VALUES (3, 'again', 'n'); COMMIT`,
      `TRUNCATE "Order Lines", tags`,
    ],
    'update that leaves a TOASTed value alone': [
      `UPDATE products SET price = 9 WHERE id = 1`,
      `UPDATE products SET name = 'other' WHERE id = 2`,
      `BEGIN; UPDATE products SET body = ${LONG('y')} WHERE id = 3; UPDATE products SET price = 3 WHERE id = 3; COMMIT`,
      `UPDATE products SET id = 400 WHERE id = 4`,
      `BEGIN; INSERT INTO products (id, sku, name, body) VALUES (40, 'v', 'v', ${LONG('v')}); UPDATE products SET price = 4 WHERE id = 40; COMMIT`,
    ],
    'update beside a TOASTed value, which the target keeps or the source is asked for': [
      `UPDATE articles SET title = title || '!'`,
      `UPDATE pages SET title = title || '!'`,
      `BEGIN; UPDATE articles SET id = id + 100 WHERE id < 3; UPDATE articles SET title = 'moved' WHERE id > 100; COMMIT`,
      `BEGIN; UPDATE pages SET id = id + 100 WHERE id < 3; UPDATE pages SET title = 'moved' WHERE id > 100; COMMIT`,
      `BEGIN; UPDATE pages SET title = 'gone' WHERE id = 4; DELETE FROM pages WHERE id = 4; COMMIT`,
      `BEGIN; UPDATE articles SET body = ${LONG('b')} WHERE id = 5; UPDATE articles SET title = 'both' WHERE id = 5; COMMIT`,
      `UPDATE articles SET body = NULL WHERE id = 4; UPDATE articles SET title = 'null' WHERE id = 4`,
    ],
    'rows that leave the filter and come back, with a TOASTed value': [
      `UPDATE products SET deleted_at = now() WHERE id <= 5`,
      `UPDATE products SET deleted_at = NULL WHERE id <= 2`,
      `INSERT INTO products (id, sku, name, deleted_at) VALUES (50, 'born gone', 'x', now())`,
    ],
    'delete and insert of the same key in one transaction': [
      `BEGIN; DELETE FROM products WHERE id = 1; INSERT INTO products (id, sku, name) VALUES (1, 'new', 'new'); COMMIT`,
      `BEGIN; INSERT INTO products (id, sku, name) VALUES (60, 'short', 'x'); DELETE FROM products WHERE id = 60; COMMIT`,
    ],
    'two rows that swap a unique value': [
      `BEGIN; UPDATE products SET sku = 'tmp' WHERE id = 1; UPDATE products SET sku = 'sku-1' WHERE id = 2; UPDATE products SET sku = 'sku-2' WHERE id = 1; COMMIT`,
    ],
    'a unique value that moves to a new row': [
      `BEGIN; DELETE FROM products WHERE id = 7; INSERT INTO products (id, sku, name) VALUES (70, 'sku-7', 'heir'); COMMIT`,
      `BEGIN; UPDATE products SET sku = 'free' WHERE id = 8; INSERT INTO products (id, sku, name) VALUES (80, 'sku-8', 'heir'); COMMIT`,
    ],
    'changes of a table without a primary key': [
      `UPDATE tags SET tag = 'other' WHERE product = 1`,
      `DELETE FROM tags WHERE product = 2`,
      `INSERT INTO tags VALUES (9, 'x')`,
    ],
    'a transaction that is rolled back, and a savepoint': [
      `BEGIN; UPDATE products SET name = 'never'; ROLLBACK`,
      `BEGIN; UPDATE products SET name = 'kept' WHERE id = 1; SAVEPOINT s; UPDATE products SET name = 'never' WHERE id = 2; ROLLBACK TO s; COMMIT`,
    ],
  }
  for (const [name, statements] of Object.entries(cases)) {
    it(name, async () => {
      await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
      await sync.onSource(SEED)
      await sync.streaming()
      for (const statement of statements) await sync.onSource(statement)
      await expectEqual(sync)
    })
  }
})

it('invariant 3: a transaction larger than a batch is applied in parts, and as one', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onSource(SEED)
  const pipeline = await sync.streaming({ batchRows: 100 })
  const before = await sync.onTarget('SELECT xmin::text FROM "Catalog".items')
  await sync.onSource(`
    BEGIN;
    INSERT INTO products (id, sku, name, body) SELECT n, 'big-' || n, 'big', CASE WHEN n % 50 = 0 THEN ${LONG('z')} END FROM generate_series(1000, 2000) n;
    UPDATE products SET price = 5 WHERE id >= 1500;
    UPDATE products SET id = id + 10000 WHERE id BETWEEN 1200 AND 1300;
    DELETE FROM products WHERE id BETWEEN 1900 AND 1950;
    COMMIT`)
  await expectEqual(sync)
  expect(before).toHaveLength(10)
  const [row] = await sync.onTarget(
    'SELECT count(DISTINCT xmin::text)::int AS transactions FROM "Catalog".items WHERE item_id >= 1000',
  )
  // Each part has a savepoint of its own, so rows carry the ids of subtransactions; none is visible before the commit.
  expect(row?.transactions).toBeGreaterThan(1)
  expect(pipeline.status().state).toBe('streaming')
})

it('columns that only the target has survive updates', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onSource(SEED)
  await sync.streaming()
  await sync.onTarget('UPDATE "Catalog".items SET views = 42')
  await sync.onSource('UPDATE products SET price = price + 1')
  await expectEqual(sync)
  expect(await sync.onTarget('SELECT DISTINCT views FROM "Catalog".items')).toEqual([{ views: 42 }])
})

it('leaves a row alone when nothing that is mapped has changed', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onSource(SEED)
  await sync.streaming()
  const before = await sync.onTarget('SELECT item_id, xmin::text FROM "Catalog".items ORDER BY 1')
  await sync.onSource('UPDATE products SET stock = stock + 1')
  await expectEqual(sync)
  expect(await sync.onTarget('SELECT item_id, xmin::text FROM "Catalog".items ORDER BY 1')).toEqual(before)
})
