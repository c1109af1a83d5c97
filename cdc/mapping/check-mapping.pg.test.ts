import { createDatabase } from '@ficus/deploy/testing/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MappingSides, openSides } from '../testing/mapping-sides.ts'
import type { MappingReport } from './check-mapping.ts'
import type { SyncInput, TableMapping } from './define-sync.ts'
import type { Direction } from './flow.ts'

const SOURCE = `
  CREATE TYPE status AS ENUM ('active', 'gone');
  CREATE TABLE products (
    id int PRIMARY KEY, sku text NOT NULL UNIQUE, maybe text UNIQUE, name text, price numeric(12,2), status status, "Größe" int
  );
  CREATE TABLE keyless (id int NOT NULL, note text);
  CREATE TABLE keyless_full (id int NOT NULL, note text);
  ALTER TABLE keyless_full REPLICA IDENTITY FULL;
  CREATE VIEW seen AS SELECT * FROM products;
  CREATE TYPE money_of AS (amount numeric, currency text);
  CREATE TABLE tags (
    product_id int, tag text, worth money_of, shout text GENERATED ALWAYS AS (upper(tag)) STORED, PRIMARY KEY (product_id, tag)
  );
`
const TARGET = `
  CREATE TYPE state AS ENUM ('active', 'gone');
  CREATE TABLE items (
    item_id bigint PRIMARY KEY, code text UNIQUE, title text NOT NULL, cents bigint, state state, size int,
    search text GENERATED ALWAYS AS (lower(title)) STORED
  );
  CREATE TABLE notes (id int PRIMARY KEY, note text);
  CREATE TABLE loose (id int, note text);
  CREATE TABLE words (item_id bigint, position int, word text NOT NULL, PRIMARY KEY (item_id, position));
  CREATE TABLE maybe_words (item_id bigint, position int, word text, UNIQUE (item_id, position));
`
const GOOD: TableMapping = {
  source: 'products',
  target: 'items',
  key: { id: 'item_id' },
  where: `status <> 'gone'`,
  forward: { title: 'coalesce(name, sku)', cents: '(price * 100)::bigint', state: 'status::text', size: '"Größe"' },
  reverse: { name: 'title', sku: 'code', price: '(cents / 100.0)::numeric(12,2)', status: 'state::text' },
}

const READING: TableMapping = {
  source: 'products',
  target: 'items',
  key: { id: 'item_id' },
  where: 'EXISTS (SELECT FROM tags WHERE product_id = products.id)',
  reads: { tags: { product_id: 'id' } },
  forward: { title: `name || (SELECT string_agg(tag, ',' ORDER BY tag) FROM tags t WHERE t.product_id = products.id)` },
}

const EACH: TableMapping = {
  source: 'products',
  target: 'words',
  key: { id: 'item_id' },
  each: {
    rows: `regexp_split_to_table(products.name, ' ') WITH ORDINALITY AS part(word, no)`,
    key: { position: 'part.no' },
  },
  forward: { word: 'part.word' },
}

let sides: MappingSides
beforeAll(async () => {
  sides = await openSides(createDatabase, SOURCE, TARGET)
})
afterAll(() => sides[Symbol.asyncDispose]())

function check(sync: SyncInput, direction?: Direction): Promise<MappingReport> {
  return sides.check(sync, direction)
}

it('accepts a mapping that fits, and shows the SQL it becomes', async () => {
  const report = await check({ tables: [GOOD] })
  expect(report.problems).toEqual([])
  expect(report.sql).toMatchObject([{ path: 'tables[0]', from: 'public.products', to: 'public.items' }])
  expect(report.sql[0]?.copy).toContain('((price * 100)::bigint)::bigint AS "cents"')
  expect(report.sql[0]?.update).toContain('MERGE INTO "public"."items"')
})

it('checks a mapping that makes several rows of one, and shows what it becomes', async () => {
  const { problems, sql } = await check({ tables: [EACH] })
  expect(problems).toEqual([])
  const rows = `CROSS JOIN LATERAL regexp_split_to_table(products.name, ' ') WITH ORDINALITY AS part(word, no)`
  expect(sql[0]?.copy).toContain(`FROM "public"."products" AS "products" ${rows}`)
  expect(sql[0]?.remove).toContain('NOT EXISTS')
  expect(sql[0]?.doubled).toContain('HAVING count(*) > 1')
})

it('checks a mapping that reads other tables, and shows what it becomes', async () => {
  const { problems, sql } = await check({ tables: [READING] })
  expect(problems).toEqual([])
  expect(sql[0]?.copy).toContain(
    'WITH "tags" AS NOT MATERIALIZED (SELECT "product_id", "tag" FROM "public"."tags") SELECT',
  )
  expect(sql[0]?.insert).toBeNull()
  expect(sql[0]?.update).toContain('MERGE INTO "public"."items"')
})

it('checks the way back too', async () => {
  expect((await check({ tables: [GOOD] }, 'reverse')).problems).toEqual([])
  const wrong = await check({ tables: [{ ...GOOD, reverse: { name: 'titel' } }] }, 'reverse')
  expect(wrong.problems.map(({ path, problem }) => `${path}: ${problem}`)).toEqual([
    'tables[0].reverse: public.products.sku is NOT NULL without a default, and the mapping leaves it out',
    'tables[0].reverse.name: fails on the source: column "titel" does not exist',
  ])
})

describe('invariant 13: names what does not fit, where, and what to do', () => {
  const cases: readonly [name: string, change: Partial<TableMapping>, path: string, problem: RegExp][] = [
    ['a table that is not there', { source: 'product' }, 'source', /there is no table public\.product/],
    ['a view', { source: 'seen' }, 'source', /public\.seen is not an ordinary table/],
    ['a target that is not there', { target: 'item' }, 'target', /there is no table public\.item/],
    ['a key column that is not there', { key: { no: 'item_id' } }, 'key', /public\.products has no column no/],
    [
      'a key that deletions do not tell',
      { key: { sku: 'code' }, reverse: {} },
      'key',
      /does not tell sku: its replica identity is id/,
    ],
    [
      'a target key without an index',
      { key: { id: 'size' }, forward: { title: 'name' } },
      'key',
      /no unique index on size/,
    ],
    [
      'a table without a replica identity',
      { source: 'keyless', target: 'notes', key: { id: 'id' }, forward: {} },
      'key',
      /no replica identity/,
    ],
    [
      'a target column that is not there',
      { forward: { title: 'sku', colour: 'name' } },
      'forward.colour',
      /items has no column colour/,
    ],
    [
      'a generated column',
      { forward: { title: 'sku', search: 'name' } },
      'forward.search',
      /is computed by its database/,
    ],
    ['a column that must not be null', { forward: {} }, 'forward', /items\.title is NOT NULL without a default/],
    [
      'a source column that is not there',
      { forward: { title: 'nam' } },
      'forward.title',
      /fails on the source: column "nam"/,
    ],
    [
      'a computed key that reads other columns',
      { key: { id: { to: 'item_id', forward: 'id + length(name)' } }, reverse: {} },
      'key.id.forward',
      /reads name: a deletion in public\.products tells the key alone/,
    ],
    [
      'a computed key of a type that does not fit',
      { key: { id: { to: 'item_id', forward: `'P' || id` } }, reverse: {} },
      'key.id.forward',
      /does not fit bigint/,
    ],
    ['broken SQL', { forward: { title: 'name ||' } }, 'forward.title', /fails on the source: syntax error/],
    ['two expressions in one', { forward: { title: 'name), (sku' } }, 'forward.title', /it is not one expression/],
    [
      'a type that does not fit',
      { forward: { title: 'name', cents: 'sku' } },
      'forward.cents',
      /does not fit bigint: .* is of type text/,
    ],
    [
      'a type that the column would round without an error',
      { forward: { title: 'name', cents: 'price * 100' } },
      'forward.cents',
      /is numeric, and public\.items\.cents bigint/,
    ],
    [
      'a function that only one side has',
      { forward: { title: `(SELECT max(name) FROM products)` } },
      'forward.title',
      /fails on the target/,
    ],
    [
      'a filter that is none',
      { where: 'name' },
      'where',
      /fails on the source: .*must be type boolean|argument of IS TRUE/,
    ],
  ]
  it.each(cases)('%s', async (_name, change, path, problem) => {
    const { problems } = await check({ tables: [{ ...GOOD, ...change }] })
    expect(problems.map(found => found.path)).toContain(`tables[0].${path}`)
    const found = problems.find(candidate => candidate.path === `tables[0].${path}`)
    expect(found?.problem).toMatch(problem)
    expect(found?.remedy).not.toBe('')
  })

  const ofReads: readonly [name: string, change: Partial<TableMapping>, path: string, problem: RegExp][] = [
    [
      'a table to read that is not there',
      { reads: { tag: { id: 'id' } } },
      'reads["public.tag"]',
      /there is no table public\.tag/,
    ],
    ['a view to read', { reads: { seen: { id: 'id' } } }, 'reads["public.seen"]', /not an ordinary table/],
    [
      'a table to read without a key',
      { reads: { keyless_full: { id: 'id' } } },
      'reads["public.keyless_full"]',
      /no unique key/,
    ],
    [
      'a column that rows are not matched by',
      { reads: { tags: { product: 'id' } } },
      'reads["public.tags"]',
      /tags has no column product/,
    ],
    [
      'a column of the source that is not there',
      { reads: { tags: { product_id: 'no' } } },
      'reads["public.tags"]',
      /products has no column no/,
    ],
    [
      'rows matched by a type of the source’s own',
      { reads: { tags: { worth: 'id' } } },
      'reads["public.tags"]',
      /does not know its type money_of/,
    ],
    [
      'rows matched by values of two types',
      { reads: { tags: { tag: 'id' } } },
      'reads["public.tags"]',
      /text = integer/,
    ],
    [
      'a generated column of a table to read',
      { forward: { title: '(SELECT max(shout) FROM tags)' } },
      'forward.title',
      /column "shout" does not exist/,
    ],
    [
      'a table that is named with its schema',
      { forward: { title: '(SELECT max(tag) FROM public.tags)' } },
      'forward.title',
      /fails on the target/,
    ],
  ]
  it.each(ofReads)('%s', async (_name, change, path, problem) => {
    const { problems } = await check({ tables: [{ ...READING, ...change }] })
    expect(problems.find(candidate => candidate.path === `tables[0].${path}`)?.problem).toMatch(problem)
  })

  const ofEach: [string, Partial<TableMapping>, string, RegExp][] = [
    [
      'rows that are none',
      { each: { rows: 'split(name) AS part(word, no)', key: { position: 'part.no' } } },
      'each.rows',
      /fails on the source: function split/,
    ],
    [
      'rows of another table',
      { each: { rows: '(SELECT 1 AS no, tag AS word FROM tags) AS part', key: { position: 'part.no' } } },
      'each.rows',
      /fails on the target: relation "tags" does not exist/,
    ],
    [
      'a key that tells nothing apart',
      { each: { rows: 'generate_series(1, 2) AS part(word)', key: { position: 'part.no' } } },
      'each.key.position',
      /column part\.no does not exist/,
    ],
    [
      'a key of another type',
      { each: { rows: `regexp_split_to_table(name, ' ') AS part(word)`, key: { position: 'part.word' } } },
      'each.key.position',
      /integer/,
    ],
    ['a filter of its own rows', { where: `part.word <> ''` }, 'where', /missing FROM-clause entry for table "part"/],
    [
      'a filter by a name that the made rows have too',
      {
        where: `name <> ''`,
        each: {
          rows: `regexp_split_to_table(products.name, ' ') WITH ORDINALITY AS part(name, no)`,
          key: { position: 'part.no' },
        },
        forward: { word: 'part.name' },
      },
      'where',
      /column reference "name" is ambiguous/,
    ],
    ['a key that may be null', { target: 'maybe_words' }, 'each.key.position', /may be null/],
    [
      'a target that is unique by the source’s key alone',
      {
        target: 'notes',
        key: { id: 'id' },
        each: { rows: 'generate_series(1, 2) AS part(no)', key: { note: 'part.no::text' } },
        forward: {},
      },
      'key',
      /no unique index on id, note/,
    ],
  ]
  it.each(ofEach)('%s', async (_name, change, path, problem) => {
    const { problems } = await check({ tables: [{ ...EACH, ...change }] })
    expect(problems.find(candidate => candidate.path === `tables[0].${path}`)?.problem).toMatch(problem)
  })

  it('what does not fit of the way back, where it stands', async () => {
    const { reverse: _, ...forward } = GOOD
    const entry = {
      source: 'items',
      target: 'products',
      key: { item_id: 'id' },
      forward: { sku: 'code', naem: 'title' },
    }
    const { problems } = await check({ tables: [forward], back: [{ ...entry, where: 'x' }] }, 'reverse')
    expect(problems.map(({ path }) => path)).toEqual(['back[0].forward.naem', 'back[0].where'])
    const again = { ...entry, forward: { sku: 'title', price: 'title' }, where: 'x', within: 'nmae = code' }
    expect((await check({ tables: [forward], back: [again] }, 'reverse')).problems.map(({ path }) => path)).toEqual([
      'back[0].within',
      'back[0].where',
      'back[0].forward.price',
    ])
  })

  it('all problems of all tables at once', async () => {
    const { problems } = await check({
      tables: [
        { ...GOOD, forward: { title: 'nam', cents: 'sku', size: 'x' } },
        { source: 'keyless', target: 'loose', key: { id: 'id' }, forward: { nothing: 'note' } },
      ],
    })
    expect(problems.map(({ path }) => path)).toEqual([
      'tables[0].forward.title',
      'tables[0].forward.cents',
      'tables[0].forward.size',
      'tables[1].key',
      'tables[1].key',
      'tables[1].forward.nothing',
    ])
  })

  it('mistakes of every kind in one mapping at once', async () => {
    const mistaken: TableMapping = {
      ...GOOD,
      where: `status <> 'sold out' AND stock > 0`,
      // `title` is left out.
      forward: {
        colour: 'name',
        search: 'name',
        code: 'nmae',
        state: 'id',
        size: '(random() * 10)::int',
        cents: 'price',
      },
      reverse: { price: 'now()', status: 'stat', nothing: 'title' },
    }
    const tables = [
      mistaken,
      { ...EACH, each: { ...EACH.each, rows: EACH.each?.rows ?? '', key: { position: 'part.n' } }, where: 'stock > 0' },
    ]
    const there = (await check({ tables })).problems
    const back = (await check({ tables }, 'reverse')).problems
    expect([...there, ...back].map(({ path, problem }) => `${path}: ${problem}`)).toEqual([
      'tables[0].forward.colour: public.items has no column colour',
      'tables[0].forward.search: public.items.search is computed by its database',
      'tables[0].forward: public.items.title is NOT NULL without a default, and the mapping leaves it out',
      'tables[0].where: fails on the source: invalid input value for enum status: "sold out"',
      'tables[0].forward.code: fails on the source: column "nmae" does not exist',
      'tables[0].forward.state: does not fit state: cannot cast type integer to state',
      'tables[0].forward.size: calls random(), whose answer does not follow from the row alone',
      expect.stringMatching(/^tables\[0\]\.forward\.cents: is numeric\(12,2\), .* would be lost without an error$/),
      'tables[1].where: fails on the source: column "stock" does not exist',
      'tables[1].each.key.position: fails on the source: column part.n does not exist',
      'tables[0].reverse.nothing: public.products has no column nothing',
      'tables[0].reverse: public.products.sku is NOT NULL without a default, and the mapping leaves it out',
      'tables[0].where: fails on the target: invalid input value for enum status: "sold out"',
      expect.stringMatching(/^tables\[0\]\.reverse\.price: does not fit numeric\(12,2\): /),
      'tables[0].reverse.status: fails on the source: column "stat" does not exist',
      'tables[0].reverse.price: calls now(), whose answer does not follow from the row alone',
    ])
  })

  it('accepts a table without a key whose whole old row is told', async () => {
    const mapping = { source: 'keyless_full', target: 'notes', key: { id: 'id' }, forward: { note: 'note' } }
    expect((await check({ tables: [mapping] })).problems).toEqual([])
  })
})
