import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import { CAPABILITY, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { type DiffOptions, type DiffReport, diffCapability } from './diff-capability.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(12,2), note text);
  INSERT INTO products SELECT n, 'product ' || n, n * 1.25, CASE WHEN n % 2 = 0 THEN '' END FROM generate_series(1, 20000) n;
`
const TARGET = `CREATE TABLE items (item_id bigint PRIMARY KEY, title text, cents bigint, note text, views int DEFAULT 0)`
const SYNC = {
  tables: [
    {
      source: 'public.products',
      target: 'public.items',
      key: { id: 'item_id' },
      forward: { title: 'name', cents: '(price * 100)::bigint', note: 'note' },
    },
  ],
}

function diff(sync: SyncHarness, options: Partial<DiffOptions> = {}): Promise<DiffReport> {
  return diffCapability({
    source: sync.source,
    target: sync.target,
    capability: CAPABILITY,
    direction: 'forward',
    sync: parseSync(SYNC),
    timeoutMs: 20_000,
    ...options,
  })
}

it('finds every difference that was planted, and names its columns', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.onTarget(`
    UPDATE items SET title = title || ' ' WHERE item_id = 17;
    UPDATE items SET note = NULL WHERE item_id = 18;
    UPDATE items SET cents = cents + 1, note = '' WHERE item_id = 19;
    UPDATE items SET views = 7 WHERE item_id = 20;
    DELETE FROM items WHERE item_id = 21;
    INSERT INTO items VALUES (99999999999, 'from nowhere', 1, NULL, 0);
  `)
  const { equal, tables } = await diff(sync)
  expect(equal).toBe(false)
  expect(tables).toMatchObject([{ target: 'public.items', compared: 20_001, equal: 19_996, unlisted: 0, undecided: 0 }])
  const found = [...(tables[0]?.differing ?? [])].sort((a, b) => Number(a.key.item_id) - Number(b.key.item_id))
  expect(found).toEqual([
    { key: { item_id: '17' }, kind: 'different', columns: ['title'] },
    { key: { item_id: '18' }, kind: 'different', columns: ['note'] },
    { key: { item_id: '19' }, kind: 'different', columns: ['cents', 'note'] },
    { key: { item_id: '21' }, kind: 'missing', columns: [] },
    { key: { item_id: '99999999999' }, kind: 'extra', columns: [] },
  ])

  // What goes beyond the list is counted.
  for (const mode of ['exact', 'recheck'] as const) {
    const listed = (await diff(sync, { mode, maxListed: 3 })).tables[0]
    expect(listed, mode).toMatchObject({ compared: 20_001, equal: 19_996, unlisted: 2, undecided: 0 })
    expect(listed?.differing, mode).toHaveLength(3)
  }
})

it('says of a row that is written at each look that it is undecided, and never calls it equal', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onTarget(`
    CREATE FUNCTION differ() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note = 'of the service'; RETURN NEW; END $$;
    CREATE TRIGGER differ BEFORE INSERT OR UPDATE ON items FOR EACH ROW WHEN (NEW.item_id IN (50, 60)) EXECUTE FUNCTION differ();
    ALTER TABLE items ENABLE ALWAYS TRIGGER differ`)
  await sync.streaming()
  let writing = true
  const writer = (async () => {
    while (writing) await sync.onSource('UPDATE products SET price = price + 1 WHERE id = 50')
  })()
  const { equal, tables } = await diff(sync, { mode: 'recheck' })
  writing = false
  await writer
  expect([equal, tables[0]?.undecided]).toEqual([false, 1])
  expect(tables[0]?.differing).toEqual([{ key: { item_id: '60' }, kind: 'different', columns: ['note'] }])
})

it('gives no false alarm while writes go on', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  let writing = true
  let writes = 0
  const writer = (async () => {
    for (; writing; writes++) {
      await sync.onSource('UPDATE products SET price = price + 1 WHERE id BETWEEN $1 AND $1 + 20', [
        (writes * 37) % 20_000,
      ])
      await sync.onSource('DELETE FROM products WHERE id = $1', [writes * 3])
      await sync.onSource(`INSERT INTO products VALUES ($1, 'late', 1, NULL)`, [50_000 + writes])
    }
  })()
  for (let round = 0; round < 3; round++) {
    const { tables } = await diff(sync)
    expect(tables[0]?.differing).toEqual([])
    expect(tables[0]?.undecided).toBe(0)
  }
  writing = false
  await writer
  expect(writes).toBeGreaterThan(20)
  expect(await diff(sync)).toMatchObject({ equal: true })
})

it('says so when there is nothing to compare', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await expect(diff(sync)).rejects.toMatchObject({
    code: 'FICUS_SYNC_BEHIND',
    message: expect.stringContaining('nothing was copied yet'),
  })
})
