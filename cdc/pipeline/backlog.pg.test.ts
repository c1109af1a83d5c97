import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { createHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL);
  INSERT INTO products SELECT n, 'old ' || n, n FROM generate_series(1, 1000) n;
`
/** What a trigger sees is written down with the session that did it. */
const TARGET = `
  CREATE TABLE items (
    item_id bigint PRIMARY KEY, title text NOT NULL, cents bigint NOT NULL, CONSTRAINT no_bad CHECK (title <> 'BAD')
  );
  CREATE TABLE seen (item_id bigint, title text, cents bigint, session int);
  CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO seen VALUES (NEW.item_id, NEW.title, NEW.cents, pg_backend_pid()); RETURN NEW; END $$;
  CREATE TRIGGER seeing AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION see();
  ALTER TABLE items ENABLE ALWAYS TRIGGER seeing;
`
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'upper(name)', cents: '(price * 100)::bigint' },
    },
  ],
}

const EXPECTED = `SELECT id, upper(name) AS title, (price * 100)::bigint AS cents FROM products WHERE id <> 100 ORDER BY id`
const ACTUAL = `SELECT item_id AS id, title, cents FROM items WHERE item_id <> 100 ORDER BY item_id`

it('invariants 3, 11: a backlog is applied in order by two sessions in turn, once, and what is refused of it is parked', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await (await sync.streaming()).stop()
  // Each write gives a row a price of its own, so that one that is seen twice shows.
  await sync.onSource(`
    DO $$ BEGIN
      FOR n IN 1..20 LOOP
        INSERT INTO products SELECT i, 'new ' || i, 2000000 + i FROM generate_series(n * 1000 + 1, n * 1000 + 1000) i;
        COMMIT;
        UPDATE products SET price = n * 10000 + id WHERE id <= 700;
        COMMIT;
        IF n = 7 THEN
          UPDATE products SET name = 'bad' WHERE id = 100;
        END IF;
        IF n = 12 THEN
          UPDATE products SET name = name || '!', price = 3000000 + id;
        END IF;
        COMMIT;
      END LOOP;
      DELETE FROM products WHERE id % 10 = 0 AND id <> 100;
    END $$`)
  await sync.onTarget('TRUNCATE seen')
  await sync.streaming({ batchRows: 5_000 })
  await sync.caughtUp()

  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  const sessions = 'SELECT count(DISTINCT session)::int AS sessions FROM seen'
  expect(await sync.onTarget(sessions)).toEqual([{ sessions: 2 }])
  const twice = 'SELECT item_id, title, cents FROM seen GROUP BY 1, 2, 3 HAVING count(*) > 1'
  expect(await sync.onTarget(twice)).toEqual([])
  // The refused change, the 13 updates behind it, and the one of all rows.
  expect(await sync.onTarget(`SELECT key, count(*)::int AS changes FROM ficus.parked GROUP BY key`)).toEqual([
    { key: { id: '100' }, changes: 15 },
  ])
})
