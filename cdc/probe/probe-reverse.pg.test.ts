import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { withSession } from '../database/session.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { asPlainUser, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { dryRun } from './dry-run.ts'
import type { ProbeFinding } from './finding.ts'
import { type ProbeReport, probeReverse } from './probe-reverse.ts'

const SOURCE = `
  CREATE TYPE mood AS ENUM ('good', 'bad');
  CREATE TABLE makers (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE products (
    id int PRIMARY KEY, maker_id int REFERENCES makers, name text NOT NULL, price numeric(12,2) NOT NULL, mood mood, tags text[],
    noted timestamptz NOT NULL DEFAULT clock_timestamp(), remark text
  );
  INSERT INTO makers SELECT n, 'maker ' || n FROM generate_series(1, 20) n;
  INSERT INTO products SELECT n, n % 20 + 1, 'product ' || n, n / 8.0, CASE WHEN n % 3 = 0 THEN 'bad'::mood END, ARRAY['a', NULL]
  FROM generate_series(1, 2000) n;
`
const TARGET = `
  CREATE TABLE brands (id int PRIMARY KEY, label text NOT NULL);
  CREATE TABLE items (
    item_id bigint PRIMARY KEY, brand_id int, title text NOT NULL, cents bigint NOT NULL, mood text, tags text[],
    slug text
  );
`
const MAKERS = {
  source: 'makers',
  target: 'brands',
  key: { id: 'id' },
  forward: { label: 'name' },
  reverse: { name: 'label' },
}
const PRODUCTS = {
  source: 'products',
  target: 'items',
  key: { id: 'item_id' },
  forward: { brand_id: 'maker_id', title: 'name', cents: '(price * 100)::bigint', mood: 'mood::text', tags: 'tags' },
  reverse: {
    maker_id: 'brand_id',
    name: 'title',
    price: '(cents / 100.0)::numeric(12, 2)',
    mood: 'mood',
    tags: 'tags',
  },
}
const SYNC: SyncInput = { tables: [MAKERS, PRODUCTS] }

async function create(): Promise<SyncHarness> {
  const sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.caughtUp()
  return sync
}

function probe(sync: SyncHarness, change: Partial<Parameters<typeof probeReverse>[0]> = {}): Promise<ProbeReport> {
  const ends = { monolith: sync.source, service: sync.target }
  return probeReverse({ ...ends, sync: parseSync(SYNC), triggers: 'auto', sampleSize: 50, ...change })
}

function problemsOf({ findings }: { readonly findings: readonly ProbeFinding[] }): string[] {
  return findings
    .filter(({ kind }) => kind === 'problem')
    .map(({ part, where, problem }) => `${part} ${where}: ${problem}`)
}

describe('invariant 10: the way back is proved before it is needed', () => {
  it('finds nothing in the way of a mapping that goes both ways, and leaves nothing behind', async () => {
    await using sync = await create()
    const before = await sync.onSource('SELECT md5(string_agg(p::text, $1 ORDER BY id)) AS rows FROM products p', [','])
    const report = await probe(sync)
    expect(problemsOf(report)).toEqual([])
    expect(report.comparedRows).toBeGreaterThan(100)
    expect(report.writtenRows).toBeGreaterThan(20)
    expect(report.findings).toMatchObject([
      {
        kind: 'note',
        part: 'columns',
        where: 'public.products.noted',
        problem: expect.stringContaining('its default'),
      },
      { kind: 'note', part: 'columns', where: 'public.products.remark', problem: expect.stringContaining('null') },
    ])
    expect(
      await sync.onSource('SELECT md5(string_agg(p::text, $1 ORDER BY id)) AS rows FROM products p', [',']),
    ).toEqual(before)
    for (const side of [sync.onSource, sync.onTarget]) {
      expect(await side(`SELECT FROM pg_publication WHERE pubname LIKE '%probe%'`)).toEqual([])
      expect(await side(`SELECT FROM pg_replication_slots WHERE slot_name LIKE 'ficus_probe%'`)).toEqual([])
    }
  })

  it('names each column that comes back with another value, and a key', async () => {
    await using sync = await create()
    const lossy = { ...PRODUCTS, reverse: { ...PRODUCTS.reverse, price: 'cents / 100', name: 'lower(title)' } }
    await sync.onSource(`UPDATE products SET name = 'Product 7' WHERE id = 7`)
    const report = await probe(sync, { sync: parseSync({ tables: [MAKERS, lossy] }) })
    expect(problemsOf(report)).toEqual([
      expect.stringMatching(/^rows public\.products\.name: 1 of \d+ sampled rows come back .* key 7$/),
      expect.stringMatching(/^rows public\.products\.price: \d+ of \d+ sampled rows come back with another value/),
    ])
  })

  it('names rows that forward or reverse cannot compute at all', async () => {
    await using sync = await create()
    const broken = { ...PRODUCTS, reverse: { ...PRODUCTS.reverse, maker_id: '(1000 / (brand_id - 5))' } }
    const report = await probe(sync, { sync: parseSync({ tables: [MAKERS, broken] }) })
    expect(problemsOf(report)).toContainEqual(expect.stringContaining('cannot go there and back: division by zero'))
  })

  it('takes columns that only the service has from its own row', async () => {
    await using sync = await create()
    await sync.onSource('UPDATE products SET remark = lower(name)')
    await sync.onTarget('UPDATE items SET slug = lower(title)')
    const own = { ...PRODUCTS, reverse: { ...PRODUCTS.reverse, remark: 'slug' } }
    expect(problemsOf(await probe(sync, { sync: parseSync({ tables: [MAKERS, own] }) }))).toEqual([])
  })

  it('lists tables without a way back, and columns that an insert could not leave out', async () => {
    await using sync = await create()
    const { reverse: _, ...oneWay } = MAKERS
    const { price: __, ...reverse } = PRODUCTS.reverse
    const report = await probe(sync, { sync: parseSync({ tables: [oneWay, { ...PRODUCTS, reverse }] }) })
    expect(problemsOf(report)).toEqual([
      expect.stringMatching(/^columns tables\[1\].*price is NOT NULL without a default/),
      expect.stringMatching(/^columns public\.makers: no mapping leads back/),
    ])
  })

  it('shows what the monolith’s triggers and foreign keys have against it, where they are to act', async () => {
    await using sync = await create()
    await sync.onSource(`
      CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not by hand'; END $$;
      CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION guard()`)
    expect(problemsOf(await probe(sync, { triggers: 'silent' }))).toEqual([])
    const report = await probe(sync, { triggers: 'fire' })
    expect(problemsOf(report)).toEqual([
      expect.stringContaining('writes public.products: the monolith refuses an update: raise_exception'),
      expect.stringContaining(
        'writes public.products: the monolith refuses a row that is deleted and inserted again: raise_exception',
      ),
      expect.stringMatching(/the monolith refuses a new row: raise_exception .*, raised by guard\(\)/),
    ])
    expect(report.findings).toContainEqual(expect.objectContaining({ said: 'not by hand' }))
    expect(report.findings).toContainEqual(
      expect.objectContaining({ kind: 'note', problem: expect.stringContaining('trigger guard acts on every row') }),
    )
    // Products refer to makers, so a maker cannot be deleted; that is the monolith's own rule.
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        kind: 'note',
        where: 'public.makers',
        problem: expect.stringContaining('foreign key'),
      }),
    )
  })

  it('lets no user of the monolith wait behind a row that it cannot have itself, and says that it is to be run again', async () => {
    await using sync = await create()
    await sync.onTarget(`UPDATE items SET title = title || '!'`)
    const others = `UPDATE products SET remark = 'busy' WHERE id IN (SELECT id FROM products WHERE id <> 2000 ORDER BY id FOR UPDATE)`
    await withSession(sync.source, busy =>
      withSession(sync.source, user =>
        withSession(sync.target, async serving => {
          await busy.query('BEGIN; UPDATE products SET name = name WHERE id = 2000')
          await user.query(`SET lock_timeout = '1500ms'`)
          let done = false
          const running = dryRun(sync.source, serving, parseSync(SYNC), 'auto', 10).finally(() => {
            done = true
          })
          while (!done) await user.query(others)
          expect((await running).findings).toEqual([
            expect.objectContaining({
              kind: 'undecided',
              where: 'public.products',
              problem: expect.stringContaining('an update could not be tried'),
            }),
          ])
        }),
      ),
    )
  })

  it('shows the rights that are missing', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.onTarget(`INSERT INTO brands VALUES (1, 'maker 1'); INSERT INTO items VALUES (1, 1, 'product 1', 12)`)
    const plain = await asPlainUser(sync, ['makers', 'products'], ['brands', 'items'])
    const silent = await probe(plain, { triggers: 'silent' })
    expect(problemsOf(silent)).toEqual([expect.stringMatching(/^writes .*may not silence triggers$/)])
    expect(problemsOf(await probe(plain))).toEqual([])
    const user = decodeURIComponent(new URL(plain.source.url).username)
    await sync.onSource(`ALTER TABLE products OWNER TO postgres; GRANT SELECT ON products TO ${user};
       CREATE SEQUENCE product_ids OWNED BY products.id`)
    await sync.onTarget(
      `ALTER TABLE items OWNER TO postgres; GRANT SELECT ON items TO ${user}; ALTER ROLE ${user} NOREPLICATION`,
    )
    const problems = problemsOf(await probe(plain))
    expect(problems).toContainEqual(expect.stringMatching(/^writes product_ids: user .* may not move the sequence/))
    expect(problems).toContainEqual(expect.stringMatching(/permission denied for table products$/))
    expect(problems).toContainEqual(
      expect.stringMatching(/^stream .*refuses a publication: must be owner of table items/),
    )
    await sync.onTarget(`ALTER TABLE items OWNER TO ${user}`)
    expect(problemsOf(await probe(plain))).toContainEqual(expect.stringMatching(/^stream .* may not replicate$/))
  })
})

it('keeps nobody from writing to a table of the service that has no primary key', async () => {
  const withoutKey = TARGET.replace('item_id bigint PRIMARY KEY', 'item_id bigint NOT NULL UNIQUE')
  await using sync = await createHarness(createDatabase, SOURCE, withoutKey, SYNC)
  await sync.onTarget(`INSERT INTO items VALUES (1, 1, 'product 1', 12)`)
  const probing = await withSession(sync.target, async busy => {
    // Its slot waits for whoever writes, so that there is time to look.
    await busy.query('BEGIN; SELECT pg_current_xact_id()')
    const probing = probe(sync)
    await vi.waitUntil(
      async () => (await sync.onTarget(`SELECT FROM pg_publication WHERE pubname LIKE 'ficus_probe%'`)).length > 0,
      { timeout: 30_000, interval: 10 },
    )
    await sync.onTarget(`UPDATE items SET title = 'written meanwhile'; DELETE FROM items`)
    return { probing }
  })
  expect(problemsOf(await probing.probing).join()).toContain('replica identity')
})

it('says so where the service’s server does not decode its log', async () => {
  await using sync = await create()
  await using elsewhere = await startTestPostgres({ wal_level: 'replica' })
  await elsewhere.createDatabase('service')
  const service = { url: elsewhere.url('service'), name: 'the service’s database' }
  await withSession(service, client => client.query(`${TARGET}; INSERT INTO brands VALUES (1, 'x')`))
  const report = await probe(sync, { service })
  expect(problemsOf(report)).toEqual([expect.stringMatching(/^stream .*wal_level/)])
})
