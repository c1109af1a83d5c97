import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { createCopyGate } from '../testing/copy-gate.ts'
import { createHarness, reaches } from '../testing/sync-harness.ts'

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

it('invariant 3: two workers copy ranges of one table while its rows change, move between ranges and get other keys', async () => {
  // A row fills a block, so these are three ranges of 1,024 blocks at the most.
  const table = 'CREATE TABLE pages (id int PRIMARY KEY, n int NOT NULL, pad text NOT NULL);'
  const source = `${table} ALTER TABLE pages ALTER pad SET STORAGE PLAIN;
    INSERT INTO pages SELECT n, n, repeat('x', 5000) FROM generate_series(1, 2500) n`
  const forward = { n: 'n', pad: 'pad' }
  await using sync = await createHarness(createDatabase, source, table, {
    tables: [{ source: 'pages', target: 'pages', key: { id: 'id' }, forward }],
  })
  const held = [5, 1_500]
  const gate = await createCopyGate(sync, 'pages', 'id', held)
  for (const row of held) await gate.close(row)
  let writing = true
  const writes = (async () => {
    for (let n = 0; writing; n++) {
      await sync.onSource('UPDATE pages SET n = n + 1 WHERE id % 500 = $1 AND id <> ALL ($2)', [n % 500, held])
      await sync.onSource('UPDATE pages SET id = -id WHERE id = $1 AND id <> ALL ($2)', [n, held])
      await sync.onSource(`INSERT INTO pages VALUES ($1, 0, '')`, [100_000 + n])
    }
  })()
  const pipeline = sync.pipeline()
  await pipeline.start()
  // One waits in the first range, one in the second; nobody reads the third yet.
  for (const row of held) await gate.reached(row)
  await sync.onSource(`
    DELETE FROM pages WHERE id % 7 = 0;
    UPDATE pages SET n = -n WHERE id % 5 = 0;
    UPDATE pages SET id = id + 10000 WHERE id % 11 = 0;
    UPDATE pages SET id = id - 1 WHERE id % 7 = 1;
    INSERT INTO pages SELECT n, n, repeat('y', 5000) FROM generate_series(5001, 5100) n`)
  for (const row of held) await gate.open(row)
  await reaches(pipeline, 'streaming')
  writing = false
  await writes
  await sync.caughtUp()
  expect(pipeline.status().copiedRows).toBeGreaterThanOrEqual(2_500)
  const rows = 'SELECT id, n, md5(pad) AS pad FROM pages ORDER BY id'
  expect(await sync.onTarget(rows)).toEqual(await sync.onSource(rows))
})

it('gathers the statistics of all columns beside the stream, for the service’s queries to be planned by', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onTarget('ALTER TABLE catalog.items SET (autovacuum_enabled = off)')
  await sync.streaming()
  await expect
    .poll(() => sync.onTarget(`SELECT n_distinct FROM pg_stats WHERE tablename = 'items' AND attname = 'status'`))
    .toEqual([{ n_distinct: 1 }])
})
