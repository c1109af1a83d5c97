import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { retryParked } from '../apply/retry-parked.ts'
import { withSession } from '../database/session.ts'
import { diffCapability } from '../diff/diff-capability.ts'
import { repairRows } from '../diff/repair.ts'
import { checkMapping } from '../mapping/check-mapping.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import type { RowFunction } from '../mapping/row-function.ts'
import { CAPABILITY, createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (
    id int PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL DEFAULT 1, details text, tags text[],
    total numeric GENERATED ALWAYS AS (price * 2) STORED, hidden boolean NOT NULL DEFAULT false
  );
  ALTER TABLE products ALTER details SET STORAGE EXTERNAL;
  INSERT INTO products (id, name, price, details, tags)
  SELECT n, 'product ' || n, n / 10.0, repeat('text ', 1000), ARRAY['a', NULL, 'b ' || n] FROM generate_series(1, 20) n;
`
const TARGET = `
  CREATE TABLE items (
    code text PRIMARY KEY, title varchar(40) NOT NULL, cents bigint NOT NULL CHECK (cents >= 0), ratio float8, visible boolean,
    size int, tags text[], views int NOT NULL DEFAULT 7
  );
`
const COLUMNS = ['title', 'cents', 'ratio', 'visible', 'size', 'tags']

/** Rows of which the name begins with `no ` have no counterpart; a name `throw` throws. */
const forward: RowFunction = row => {
  const { name = null, price = null, details = null, tags = null } = row
  if (name?.startsWith('no ')) return null
  if (name === 'throw') throw new RangeError('this name cannot be')
  return {
    title: name?.toUpperCase() ?? null,
    cents: BigInt((price ?? '0').replace('.', '')),
    ratio: price === '0.00' ? Number.NaN : Number(price),
    visible: !('total' in row),
    size: details?.length ?? null,
    tags,
  }
}

function mapping(compute: RowFunction = forward): SyncInput {
  return {
    tables: [
      {
        source: 'products',
        target: 'items',
        key: { id: { to: 'code', forward: `'P' || id`, reverse: 'substr(code, 2)::int' } },
        where: 'NOT hidden',
        columns: { forward: COLUMNS },
        forward: compute,
      },
    ],
  }
}

/** What the function makes, written in SQL. */
const EXPECTED = `
  SELECT 'P' || id AS code, upper(name) AS title, (price * 100)::bigint AS cents,
         CASE WHEN price = 0 THEN 'NaN' ELSE price::float8 END AS ratio, true AS visible, length(details) AS size, tags, 7 AS views
  FROM products WHERE name NOT LIKE 'no %' AND name <> 'throw' AND NOT hidden ORDER BY 1`

async function expectMapped(sync: SyncHarness): Promise<void> {
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT * FROM items ORDER BY code')).toEqual(await sync.onSource(EXPECTED))
}

describe('invariant 3: rows that a function in Node makes', () => {
  it.each([
    [
      `INSERT INTO products (id, name, price) VALUES (100, 'new', 0), (101, 'no counterpart', 3), (102, E'a\\tb\\\\N\\n', 4)`,
    ],
    [`UPDATE products SET price = price + 1`],
    [`UPDATE products SET name = 'no ' || name WHERE id < 5`],
    [`UPDATE products SET name = 'no ' || name; UPDATE products SET name = substr(name, 4)`],
    ['UPDATE products SET hidden = id % 2 = 0'],
    ['UPDATE products SET id = id + 500 WHERE id < 8'],
    ['DELETE FROM products WHERE id > 10'],
    [
      `BEGIN; DELETE FROM products WHERE id < 5; INSERT INTO products (id, name) VALUES (1, 'again'), (2, 'no more'); COMMIT`,
    ],
    [`BEGIN; TRUNCATE products; INSERT INTO products (id, name) VALUES (3, 'again'); COMMIT`],
  ])('%s', async statement => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
    await sync.streaming()
    await expectMapped(sync)
    await sync.onSource(statement)
    await expectMapped(sync)
  })
})

it('copies texts of all kinds through a function as they are, many of them', async () => {
  const texts = [
    '\t',
    '\\',
    '\\N',
    '\n',
    '\r\n',
    '\\.',
    '',
    ' ',
    'ü€😀',
    '\u0001\u007f',
    '\v\f\b',
    '{"a\\tb": "\\\\"}',
    "'",
    '"',
  ]
  await using sync = await createHarness(
    createDatabase,
    'CREATE TABLE texts (id int PRIMARY KEY, value text)',
    'CREATE TABLE copies (id int PRIMARY KEY, value text)',
    {
      tables: [
        {
          source: 'texts',
          target: 'copies',
          key: { id: 'id' },
          columns: { forward: ['value'] },
          forward: ({ value = null }) => ({ value }),
        },
      ],
    },
  )
  await sync.onSource(
    `INSERT INTO texts SELECT n, CASE WHEN n % 100 <> 0 THEN repeat(($1::text[])[n % 14 + 1], n % 7) || n::text || ($1::text[])[n % 14 + 1] END
     FROM generate_series(1, 10000) n`,
    [texts],
  )
  const same = async () => {
    await sync.caughtUp()
    const all = `SELECT count(*)::int AS rows, count(value)::int AS values, md5(string_agg(id || coalesce(value, '-'), ',' ORDER BY id)) AS hash`
    expect(await sync.onTarget(`${all} FROM copies`)).toEqual(await sync.onSource(`${all} FROM texts`))
  }
  await sync.streaming({ copyWorkers: 2 })
  await same()
  await sync.onSource(`UPDATE texts SET value = value || value`)
  await same()
})

const parkedIn = (sync: SyncHarness) =>
  sync.onTarget(
    `SELECT id::int, key, reason, sqlstate, event -> 'after' ->> 'name' AS name FROM ficus.parked ORDER BY id`,
  )

it('invariant 11: a row at which the function throws is parked with its reason, others flow, and a mended function takes it', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
  const pipeline = await sync.streaming()
  await sync.onSource(
    `BEGIN; UPDATE products SET price = price + 1 WHERE id < 5; UPDATE products SET name = 'throw' WHERE id = 7;
     INSERT INTO products (id, name) VALUES (200, 'after'); COMMIT; UPDATE products SET price = 99 WHERE id = 7`,
  )
  await sync.caughtUp()
  expect(await parkedIn(sync)).toEqual([
    {
      id: 1,
      key: { id: '7' },
      reason: 'the function of tables[0] threw: this name cannot be',
      sqlstate: null,
      name: 'throw',
    },
    { id: 2, key: { id: '7' }, reason: null, sqlstate: null, name: 'throw' },
  ])
  expect(
    await sync.onTarget(`SELECT title, cents::int FROM items WHERE code IN ('P3', 'P7', 'P200') ORDER BY 1`),
  ).toEqual([
    { title: 'AFTER', cents: 100 },
    { title: 'PRODUCT 3', cents: 130 },
    { title: 'PRODUCT 7', cents: 70 },
  ])
  await pipeline.stop()

  const mended = parseSync(
    mapping(row => forward({ ...row, name: row.name === 'throw' ? 'caught' : (row.name ?? null) })),
  )
  const key = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER } as const
  const { source, target } = sync
  expect((await retryParked({ ...key, source, target, sync: mended, by: 'a test' }, 'all')).refused).toEqual([])
  expect(await sync.onTarget(`SELECT title, cents::int FROM items WHERE code = 'P7'`)).toEqual([
    { title: 'CAUGHT', cents: 9900 },
  ])
})

it('stops the first copy with the key and the place where the function throws', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
  // Past those that the check of the mapping tries.
  await sync.onSource(
    `INSERT INTO products (id, name) SELECT n, CASE n WHEN 900 THEN 'throw' ELSE 'ok' END FROM generate_series(100, 1000) n`,
  )
  const pipeline = sync.pipeline()
  await pipeline.start()
  await reaches(pipeline, 'failed')
  expect(pipeline.status().error).toMatchObject({
    code: 'FICUS_CHANGE_REFUSED',
    message: expect.stringMatching(
      /code = P900: the function of tables\[0\] threw RangeError at functions\.pg\.test\.ts:\d+:\d+$/,
    ),
  })
})

it('reads a table anew through a function that was changed', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
  await (await sync.streaming()).stop()
  const changed = mapping(row => {
    const made = forward(row)
    return made === null ? null : { ...made, title: 'changed' }
  })
  await sync.streaming({ sync: parseSync(changed) })
  await sync.onSource(`INSERT INTO products (id, name) VALUES (300, 'later')`)
  await expect
    .poll(() => sync.onTarget(`SELECT count(*)::int AS rows FROM items WHERE title = 'changed'`), { timeout: 40_000 })
    .toEqual([{ rows: 21 }])
})

describe('the comparison of rows that a function makes', () => {
  const WHERE = { capability: CAPABILITY, direction: 'forward', ledger: LEDGER } as const

  it.each(['exact', 'recheck'] as const)('finds what differs and nothing else (%s), and repairs it', async mode => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
    await sync.onSource(
      `INSERT INTO products (id, name, price) SELECT n, CASE WHEN n % 9 = 0 THEN 'no ' ELSE 'more ' END || n, n % 4
       FROM generate_series(100, 12000) n`,
    )
    await sync.streaming()
    const { source, target } = sync
    const diff = () => diffCapability({ ...WHERE, source, target, sync: parseSync(mapping()), mode, showValues: true })
    expect(await diff()).toMatchObject({ equal: true, mode, tables: [{ compared: 10_599, equal: 10_599 }] })
    await sync.onTarget(
      `UPDATE items SET title = title || ' ' WHERE code = 'P5'; DELETE FROM items WHERE code = 'P11000';
       INSERT INTO items (code, title, cents) VALUES ('P108', 'there is none', 0); UPDATE items SET ratio = NULL WHERE code = 'P104'`,
    )
    const found = await diff()
    expect(
      found.tables[0]?.differing.toSorted((a, b) => String(a.key.code).localeCompare(String(b.key.code))),
    ).toMatchObject([
      {
        key: { code: 'P104' },
        kind: 'different',
        columns: ['ratio'],
        values: { ratio: { source: 'NaN', target: null } },
      },
      { key: { code: 'P108' }, kind: 'extra' },
      { key: { code: 'P11000' }, kind: 'missing' },
      { key: { code: 'P5' }, kind: 'different', columns: ['title'] },
    ])
    const repaired = await repairRows({ ...WHERE, source, target, sync: parseSync(mapping()) }, found.tables)
    expect(repaired).toMatchObject([{ repaired: 4, left: 0 }])
    expect((await diff()).equal).toBe(true)
  })

  it('names the row at which the function throws', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
    await sync.streaming()
    await sync.onSource(`INSERT INTO products (id, name) VALUES (50, 'throw')`)
    const { source, target } = sync
    await expect(diffCapability({ ...WHERE, source, target, sync: parseSync(mapping()) })).rejects.toThrow(
      'code = P50: the function of tables[0] threw: this name cannot be',
    )
  })

  it('compares all again where the function is another one', async () => {
    const table = 'CREATE TABLE counts (id int PRIMARY KEY, n text)'
    const by = (forward: RowFunction): SyncInput => ({
      tables: [{ source: 'counts', target: 'counts', key: { id: 'id' }, columns: { forward: ['n'] }, forward }],
    })
    const plain = by(({ n = null }) => ({ n }))
    const tenfold = by(({ n = null }) => ({ n: `${n}0` }))
    const filled = `${table}; INSERT INTO counts SELECT n, n FROM generate_series(1, 20) n; ANALYZE counts`
    await using sync = await createHarness(createDatabase, filled, table, plain)
    const pipeline = await sync.streaming()
    await sync.caughtUp()
    await sync.onTarget(`UPDATE counts SET n = 'differs' WHERE id = 20`)
    const { source, target } = sync
    const resume = (input: SyncInput) =>
      diffCapability({ ...WHERE, source, target, sync: parseSync(input), rangeRows: 5, resume: true })
    expect(await resume(plain)).toMatchObject({ tables: [{ equal: 19 }] })
    expect(await resume(plain)).toMatchObject({ resumed: true })
    await expect(resume(tenfold)).rejects.toMatchObject({ code: 'FICUS_SYNC_BEHIND' })
    await pipeline.stop()
    await sync.streaming({ sync: parseSync(tenfold) })
    const again = await vi.waitFor(() => resume(tenfold), 20_000)
    expect(again).toMatchObject({ resumed: false, tables: [{ compared: 20, equal: 20 }] })
  })
})

describe('the check of a mapping by a function', () => {
  const check = (sync: SyncHarness, input: SyncInput) =>
    withSession(sync.source, source =>
      withSession(sync.target, target => checkMapping(source, target, parseSync(input), 'forward')),
    )

  it('refuses one that leaves rows out, of which the way back knows nothing', async () => {
    const [table] = mapping().tables
    if (table === undefined) throw new Error('there is a mapping')
    const key = { id: { to: 'code', forward: `'P' || id`, reverse: 'substr(code, 2)::int' } }
    const input = { tables: [{ ...table, key, reverse: { name: 'title' } }] }
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, input)
    await sync.onSource(`INSERT INTO products (id, name) VALUES (70, 'no counterpart')`)
    expect((await check(sync, input)).problems).toMatchObject([
      { path: 'tables[0].forward', problem: expect.stringContaining('gives null for a row') },
    ])
    const said = { tables: [{ ...input.tables[0], where: `name NOT LIKE 'no %'` }] } as SyncInput
    expect((await check(sync, said)).problems).toEqual([])
  })

  it('shows the function and the SQL around it', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
    const { problems, sql } = await check(sync, mapping())
    expect(problems).toEqual([])
    expect(sql[0]?.function).toContain('this name cannot be')
    expect(sql[0]?.copy).toContain('FROM "public"."products"')
  })

  it.each<[string, RowFunction]>([
    [
      'code = P1: the function of tables[0] threw Error at functions.pg.test.ts:',
      () => {
        throw new Error('no')
      },
    ],
    ['gave a promise', (): never => Promise.resolve({}) as never],
    [
      'gave nothing for ratio',
      row => {
        const { ratio: _, ...rest } = forward(row) ?? {}
        return rest
      },
    ],
    ['gave a value for colour', row => ({ ...forward(row), colour: 'red' })],
    ['gave an object (Date) for size', row => ({ ...forward(row), size: new Date(0) as never })],
    [
      'the target cannot read what it gives: invalid_text_representation (SQLSTATE 22P02) at ',
      row => ({ ...forward(row), size: 'large' }),
    ],
  ])('says what is wrong with its answer: %s', async (problem, compute) => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, mapping())
    const { problems } = await check(sync, mapping(compute))
    expect(problems).toMatchObject([{ path: 'tables[0].forward', problem: expect.stringContaining(problem) }])
  })
})
