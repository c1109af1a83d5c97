import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { createHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TYPE status AS ENUM ('active', 'gone');
  CREATE TABLE products (
    id int PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL, description text, status status NOT NULL DEFAULT 'active',
    tags text[], attributes jsonb NOT NULL DEFAULT '{}', changed timestamptz NOT NULL DEFAULT clock_timestamp()
  );
  INSERT INTO products (id, name, price, tags) SELECT n, 'product ' || n, n * 1.25, ARRAY['a', NULL, 'b"c'] FROM generate_series(1, 5000) n;
`
const TARGET = `
  CREATE SCHEMA catalog;
  CREATE TYPE catalog.item_status AS ENUM ('active', 'gone');
  CREATE TABLE catalog.items (
    item_id bigint PRIMARY KEY, title varchar(80) NOT NULL, price_cents bigint NOT NULL, body text, status catalog.item_status NOT NULL,
    tags text[], extra jsonb NOT NULL, changed timestamptz, views int NOT NULL DEFAULT 0
  );
`
const SYNC = {
  tables: [
    {
      source: 'public.products',
      target: 'catalog.items',
      key: { id: 'item_id' },
      forward: {
        title: 'name',
        price_cents: '(price * 100)::bigint',
        body: 'description',
        status: 'status::text',
        tags: 'tags',
        extra: 'attributes',
        changed: 'changed',
      },
    },
  ],
}
const EXPECTED = `SELECT id::bigint AS item_id, name AS title, (price * 100)::bigint AS price_cents, description AS body,
  status::text, tags, attributes AS extra, changed::text FROM products ORDER BY id`
const ACTUAL = `SELECT item_id, title, price_cents, body, status::text, tags, extra, changed::text FROM catalog.items ORDER BY item_id`

it('invariant 3: copies, then streams, while writes go on', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  let writing = true
  const writes = (async () => {
    for (let n = 10_000; writing; n++) {
      await sync.onSource('INSERT INTO products (id, name, price) VALUES ($1, $2, 3.5)', [n, `new ${n}`])
      await sync.onSource('UPDATE products SET price = price + 1 WHERE id = $1', [(n % 5000) + 1])
      await sync.onSource('DELETE FROM products WHERE id = $1', [n - 5])
    }
  })()
  const pipeline = await sync.streaming()
  await sync.onSource('UPDATE products SET name = name || $1 WHERE id < 2000', ['!'])
  writing = false
  await writes
  await sync.caughtUp()
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  expect(pipeline.status().copiedRows).toBeGreaterThanOrEqual(5000)
})

it('gathers the statistics of all columns beside the stream, for the service’s queries to be planned by', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onTarget('ALTER TABLE catalog.items SET (autovacuum_enabled = off)')
  await sync.streaming()
  await expect
    .poll(() => sync.onTarget(`SELECT n_distinct FROM pg_stats WHERE tablename = 'items' AND attname = 'status'`))
    .toEqual([{ n_distinct: 1 }])
})
