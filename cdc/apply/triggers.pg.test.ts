import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { asPlainUser, createHarness, reaches } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE makers (id int PRIMARY KEY, name text);
  CREATE TABLE products (id int PRIMARY KEY, maker_id int, name text);
  INSERT INTO makers VALUES (1, 'one');
  INSERT INTO products VALUES (1, 1, 'first');
`
const TARGET = `
  CREATE TABLE brands (id int PRIMARY KEY, name text);
  CREATE TABLE items (
    id int PRIMARY KEY, name text, maker_id int REFERENCES brands ON DELETE CASCADE DEFERRABLE, fired int NOT NULL DEFAULT 0
  );
  CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.fired := NEW.fired + 1; RETURN NEW; END $$;
  CREATE TRIGGER fire BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION fire();
`
const SYNC = {
  tables: [
    // Children first, so that the order is not the sync file's.
    { source: 'products', target: 'items', key: { id: 'id' }, forward: { name: 'name', maker_id: 'maker_id' } },
    { source: 'makers', target: 'brands', key: { id: 'id' }, forward: { name: 'name' } },
  ],
}
/** A parent with its child, both changed and one of each removed. */
const WORK = `
  BEGIN;
  INSERT INTO products VALUES (2, 2, 'second'), (3, 2, 'third'); INSERT INTO makers VALUES (2, 'two');
  COMMIT;
  UPDATE products SET name = 'changed' WHERE id = 1;
  BEGIN; DELETE FROM products WHERE id = 3; DELETE FROM makers WHERE id = 3; COMMIT`

describe('triggers and foreign keys of the target', () => {
  it.each([
    { triggers: 'silent', fired: [0, 0] },
    { triggers: 'fire', fired: [2, 1] },
  ] as const)('$triggers', async ({ triggers, fired }) => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.streaming({ triggers })
    await sync.onSource(WORK)
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT id, name, maker_id, fired FROM items ORDER BY id')).toEqual([
      { id: 1, name: 'changed', maker_id: 1, fired: fired[0] },
      { id: 2, name: 'second', maker_id: 2, fired: fired[1] },
    ])
  })

  it('fail with the grant that is missing where they have to be silent and the user may not', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const plain = await asPlainUser(sync, ['products', 'makers'], ['items', 'brands'])
    const pipeline = plain.pipeline({ triggers: 'silent' })
    await pipeline.start()
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_DATABASE_UNFIT',
      message: expect.stringContaining('may not silence triggers'),
      remedy: expect.stringContaining('GRANT SET ON PARAMETER session_replication_role'),
    })
    await pipeline.stop()
    const user = decodeURIComponent(new URL(plain.target.url).username)
    await sync.onTarget(`GRANT SET ON PARAMETER session_replication_role TO ${user}`)
    await plain.streaming({ triggers: 'silent' })
    expect(await sync.onTarget('SELECT fired FROM items')).toEqual([{ fired: 0 }])
  })
})
