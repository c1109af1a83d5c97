import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
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

it('invariant 3: whatever is done to rows and keys, columns of the service’s own belong to the row they were set for', async () => {
  const source = `
    CREATE TABLE things (id int PRIMARY KEY, origin int NOT NULL, n int NOT NULL, long text);
    CREATE TABLE labels (thing int PRIMARY KEY, label text);
    ALTER TABLE things ALTER long SET STORAGE EXTERNAL;
    INSERT INTO things SELECT n, n, 0, repeat('x', 3000) FROM generate_series(1, 20) n;`
  const target = ['things', 'even', 'labelled'].map(
    name => `CREATE TABLE ${name} (id int PRIMARY KEY, origin int UNIQUE, n int, long text, own int, label text);`,
  )
  const flow = { source: 'things', key: { id: 'id' }, forward: { origin: 'origin', n: 'n', long: 'long' } }
  const tables = [
    { ...flow, target: 'things' },
    { ...flow, target: 'even', where: 'origin % 2 = 0' },
    {
      ...flow,
      target: 'labelled',
      reads: { labels: { thing: 'id' } },
      forward: { ...flow.forward, label: '(SELECT label FROM labels WHERE thing = things.id)' },
    },
  ]
  await using sync = await createHarness(createDatabase, source, target.join(''), { tables })
  await sync.streaming({ batchRows: 7 })
  await sync.onTarget(['things', 'even', 'labelled'].map(name => `UPDATE ${name} SET own = origin`).join('; '))
  const key = fc.integer({ min: 1, max: 30 })
  const step = fc.oneof(
    fc.record({ what: fc.constantFrom('insert', 'update', 'delete', 'replace'), id: key, to: key }),
    fc.record({ what: fc.constantFrom('move', 'swap'), id: key, to: key }),
  )
  let fresh = 100
  const statement = ({ what, id, to }: { what: string; id: number; to: number }): string => {
    fresh += 1
    const free = `NOT EXISTS (SELECT FROM things WHERE id = ${to})`
    if (what === 'insert')
      return `INSERT INTO things VALUES (${id}, ${fresh}, 0, repeat('y', 3000)) ON CONFLICT DO NOTHING`
    if (what === 'update') return `UPDATE things SET n = n + 1 WHERE id = ${id}`
    if (what === 'delete') return `DELETE FROM things WHERE id = ${id}`
    if (what === 'replace')
      return `DELETE FROM things WHERE id = ${id}; INSERT INTO things VALUES (${id}, ${fresh}, 0, 'z')`
    if (what === 'move') return `UPDATE things SET id = ${to}, n = n + 1 WHERE id = ${id} AND ${free}`
    return [
      `UPDATE things SET id = -1 WHERE id = ${id} AND ${id} <> ${to}`,
      `UPDATE things SET id = ${id} WHERE id = ${to} AND EXISTS (SELECT FROM things WHERE id = -1)`,
      `UPDATE things SET id = ${to} WHERE id = -1`,
    ].join('; ')
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 }),
      async transactions => {
        for (const steps of transactions) await sync.onSource(`BEGIN; ${steps.map(statement).join('; ')}; COMMIT`)
        await sync.caughtUp()
        const rows = (table: string) => `SELECT id, origin, n, md5(long) AS long FROM ${table}`
        const expected = await sync.onSource(`${rows('things')} ORDER BY id`)
        expect(await sync.onTarget(`${rows('things')} ORDER BY id`)).toEqual(expected)
        expect(await sync.onTarget(`${rows('even')} ORDER BY id`)).toEqual(
          expected.filter(({ origin }) => Number(origin) % 2 === 0),
        )
        const strays = 'WHERE own IS DISTINCT FROM CASE WHEN origin <= 20 THEN origin END'
        expect(await sync.onTarget(`${rows('labelled')} ORDER BY id`)).toEqual(expected)
        for (const table of ['things', 'even', 'labelled'])
          expect(await sync.onTarget(`SELECT * FROM ${table} ${strays}`), table).toEqual([])
      },
    ),
    { numRuns: 15 },
  )
})

it('a row deleted and another inserted under its key is another, in one batch as in two', async () => {
  const numbered = {
    source: 'products',
    target: 'numbered',
    key: { id: 'id' },
    reads: { notes: { product: 'id' } },
    forward: { title: 'name' },
  }
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, { tables: [...SYNC.tables, numbered] })
  await sync.streaming()
  for (const table of [...TARGETS, 'numbered']) await sync.onTarget(`UPDATE ${table} SET views = 10`)
  await sync.onSource(`
    BEGIN; DELETE FROM products WHERE id = 1; INSERT INTO products VALUES (1, 'other', ARRAY['a']); COMMIT;
    DELETE FROM products WHERE id = 2;`)
  await sync.caughtUp()
  await sync.onSource(`INSERT INTO products VALUES (2, 'other', ARRAY['a']);
    BEGIN; UPDATE products SET id = 0 WHERE id = 3; UPDATE products SET id = 3 WHERE id = 4; COMMIT;`)
  await sync.caughtUp()
  const views = (table: string, id: string) =>
    sync.onTarget(
      `SELECT ${id} AS id, max(views) AS views FROM ${table} WHERE ${id} IN (1, 2, 5) GROUP BY 1 ORDER BY 1`,
    )
  const fresh = [
    { id: 1, views: null },
    { id: 2, views: null },
    { id: 5, views: 10 },
  ]
  const ids = { items: 'item_id::int', visible: 'substr(code, 2)::int', tags: 'item' }
  for (const [table, id] of Object.entries(ids)) expect(await views(table, id), table).toEqual(fresh)
  for (const table of ['functions', 'documents', 'numbered']) expect(await views(table, 'id'), table).toEqual(fresh)
  // These two cannot be moved, so both are made anew.
  expect(await sync.onTarget('SELECT id, title, views FROM numbered WHERE id IN (0, 3, 4) ORDER BY id')).toEqual([
    { id: 0, title: 'product 3', views: null },
    { id: 3, title: 'product 4', views: null },
  ])
})

it('keys that are all shifted by one are, in a time that grows with their number', async () => {
  const input = { tables: [{ source: 'codes', target: 'codes', key: { code: 'code' }, forward: { name: 'name' } }] }
  const table = 'CREATE TABLE codes (code int PRIMARY KEY, name text'
  const source = `${table}); INSERT INTO codes SELECT n, 'n' || n FROM generate_series(1, 2000) n`
  await using sync = await createHarness(createDatabase, source, `${table}, own int)`, input)
  await sync.streaming()
  await sync.onTarget('UPDATE codes SET own = code')
  await sync.onSource(
    'DO $$ BEGIN FOR n IN REVERSE 2000..1 LOOP UPDATE codes SET code = n + 1 WHERE code = n; END LOOP; END $$',
  )
  const began = performance.now()
  await sync.caughtUp()
  // One step a row takes thirty times as long as one step for all.
  expect(performance.now() - began).toBeLessThan(3_000)
  const right = `SELECT count(*)::int AS n FROM codes WHERE own = code - 1 AND name = 'n' || own`
  expect(await sync.onTarget(right)).toEqual([{ n: 2000 }])
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

it('a key that is the same to the target loses no row', async () => {
  const table = 'CREATE TABLE rates (rate numeric PRIMARY KEY, note int, body text'
  const input = {
    tables: [{ source: 'rates', target: 'rates', key: { rate: 'rate' }, forward: { note: 'note', body: 'body' } }],
  }
  const rows = `INSERT INTO rates VALUES (1.0, 1, repeat('x', 20000)), (2, 2, repeat('y', 20000))`
  const source = `${table}); ALTER TABLE rates ALTER body SET STORAGE EXTERNAL; ${rows}`
  await using sync = await createHarness(createDatabase, source, `${table}, views int)`, input)
  await sync.streaming()
  await sync.onTarget('UPDATE rates SET views = 5')
  await sync.onSource('UPDATE rates SET rate = 1.00 WHERE rate = 1; UPDATE rates SET note = 3 WHERE rate = 1')
  await sync.caughtUp()
  const expected = await sync.onSource('SELECT rate, note, length(body), 5 AS views FROM rates ORDER BY 1')
  expect(await sync.onTarget('SELECT rate, note, length(body), views FROM rates ORDER BY 1')).toEqual(expected)
})
