import { channel } from 'node:diagnostics_channel'
import { POINT_CHANNEL } from '@ficus/core/lifecycle/point'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import { createCopyGate } from '../testing/copy-gate.ts'
import { asPlainUser, createHarness, reaches, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 50) n;
  CREATE TABLE reviews (shop int, code text, stars int, body text, PRIMARY KEY (shop, code));
  ALTER TABLE reviews ALTER COLUMN body SET STORAGE EXTERNAL;
  INSERT INTO reviews SELECT n % 7, 'code ' || n, n % 5, repeat('b', 10) FROM generate_series(1, 3000) n;
`
const TARGET = `
  CREATE TABLE items (item_id int PRIMARY KEY, title text);
  CREATE TABLE opinions (shop int, code text, points int, body text, seen boolean NOT NULL DEFAULT false, PRIMARY KEY (shop, code));
`
const PRODUCTS = { source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name' } }
const REVIEWS = {
  source: 'reviews',
  target: 'opinions',
  key: { shop: 'shop', code: 'code' },
  where: 'stars > 0',
  forward: { points: 'stars * 10', body: 'body' },
}
const BEFORE = { tables: [PRODUCTS] }
const AFTER = parseSync({ tables: [PRODUCTS, REVIEWS] })
const EXPECTED = 'SELECT shop, code, stars * 10 AS points, body FROM reviews WHERE stars > 0 ORDER BY 1, 2'
const ACTUAL = 'SELECT shop, code, points, body FROM opinions ORDER BY 1, 2'

/** Writes to the added table as fast as it can, in every way there is, until it is stopped. */
async function writeHard(sync: SyncHarness): Promise<{ stop(): Promise<void> }> {
  let writing = true
  const failures: unknown[] = []
  const writers = Array.from({ length: 3 }, async (_, writer) => {
    const client = new pg.Client({ connectionString: sync.source.url })
    await client.connect()
    for (let n = 0; writing; n++) {
      const id = n * 3 + writer
      const code = `code ${(id * 37) % 3000}`
      const statements = [
        [
          `INSERT INTO reviews VALUES ($1, $2, $3, repeat('t', 3000)) ON CONFLICT DO NOTHING`,
          [id % 7, `new ${id}`, id % 5],
        ],
        [`UPDATE reviews SET stars = (stars + 1) % 5 WHERE code = $1`, [code]],
        [`UPDATE reviews SET code = 'moved ' || code WHERE code = $1`, [`code ${(id * 11) % 3000}`]],
        // The key changes and the large value is not sent.
        [`UPDATE reviews SET shop = shop + 7, code = 'a' || code WHERE code = $1`, [`new ${id - 9}`]],
        [`DELETE FROM reviews WHERE code = $1`, [`code ${(id * 13) % 3000}`]],
        [`DELETE FROM reviews WHERE code = $1`, [`new ${id - 6}`]],
      ] as const
      for (const [sql, values] of statements) await client.query(sql, [...values])
    }
    await client.end()
  }).map(writer => writer.catch(error => failures.push(error)))
  return {
    stop: async () => {
      writing = false
      await Promise.all(writers)
      expect(failures).toEqual([])
    },
  }
}

async function expectEqual(sync: SyncHarness): Promise<void> {
  await sync.caughtUp()
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
}

describe('invariant 3: a table that is added to a running capability', () => {
  it('is copied while its rows change in every way and the stream goes on', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, BEFORE)
    await (await sync.streaming()).stop()
    const writers = await writeHard(sync)
    const pipeline = await sync.streaming({ sync: AFTER, batchRows: 100 })
    await vi.waitFor(async () => expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([]), {
      timeout: 40_000,
    })
    await sync.onSource(`INSERT INTO products VALUES (999, 'meanwhile')`)
    await writers.stop()
    await expectEqual(sync)
    expect(await sync.onTarget('SELECT title FROM items WHERE item_id = 999')).toEqual([{ title: 'meanwhile' }])
    expect(await sync.onTarget('SELECT count(*)::int AS parked FROM ficus.parked')).toEqual([{ parked: 0 }])
    await reaches(pipeline, 'streaming')
    expect(await pipeline.drop()).toEqual({ existed: true })
    expect(await sync.onTarget('SELECT FROM opinions')).toEqual([])
  })

  it('goes on at the last key after it was interrupted, again and again', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, BEFORE)
    await (await sync.streaming()).stop()
    const writers = await writeHard(sync)
    const marks = new Set<string>()
    for (let round = 0; round < 4; round++) {
      const pipeline = sync.pipeline({ sync: AFTER, batchRows: 100 })
      await pipeline.start()
      const before = marks.size
      await vi.waitFor(
        async () => {
          const [flow] = await sync.onTarget(
            `SELECT after::text, until FROM ficus.flow WHERE target = 'public.opinions'`,
          )
          if (flow?.after != null) marks.add(String(flow.after))
          expect(marks.size > before || flow?.until != null).toBe(true)
        },
        { timeout: 40_000, interval: 1 },
      )
      // As a killed process would: the sessions are gone in the middle of whatever they do.
      await sync.onTarget(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ficus sync' AND datname = current_database()`,
      )
      await pipeline.stop()
    }
    expect(marks.size).toBeGreaterThan(2)
    await sync.streaming({ sync: AFTER, batchRows: 100 })
    await writers.stop()
    await expectEqual(sync)
  })

  it('shows as copying until it is whole, and waits for transactions that may have written to it unpublished', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, BEFORE)
    await (await sync.streaming()).stop()
    const open = new pg.Client({ connectionString: sync.source.url })
    await open.connect()
    await open.query(`BEGIN; INSERT INTO reviews VALUES (1, 'before it was published', 3, 'late')`)
    const pipeline = sync.pipeline({ sync: AFTER })
    await pipeline.start()
    await vi.waitFor(() => expect(pipeline.status()).toMatchObject({ state: 'copying', copiedRows: 0 }), {
      timeout: 40_000,
    })
    await sync.onSource(`UPDATE products SET name = 'goes on' WHERE id = 1`)
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT title FROM items WHERE item_id = 1')).toEqual([{ title: 'goes on' }])
    expect(await sync.onTarget('SELECT FROM opinions')).toEqual([])
    await open.query('COMMIT')
    await open.end()
    await reaches(pipeline, 'streaming')
    await expectEqual(sync)
  })

  it('invariant 11: what collides with rows of another moment is parked, and applied once all rows are there', async () => {
    const slugs = 'CREATE TABLE slugs (id int PRIMARY KEY, slug text NOT NULL UNIQUE)'
    const source = `${SOURCE}; ${slugs}; INSERT INTO slugs VALUES (10, 'a'), (20, 'b'), (21, 'c'), (30, 'd')`
    await using sync = await createHarness(createDatabase, source, `${TARGET}; ${slugs}`, BEFORE)
    await (await sync.streaming()).stop()
    const gate = await createCopyGate(sync, 'slugs', 'id', [20])
    await gate.close(20)
    const table = { source: 'slugs', target: 'slugs', key: { id: 'id' }, forward: { slug: 'slug' } }
    // Chunks of three rows.
    const pipeline = sync.pipeline({ sync: parseSync({ tables: [PRODUCTS, table] }), batchRows: 3 })
    await pipeline.start()
    await gate.reached(20)
    // What follows is of another shape, and so in another batch.
    const cut = (column: string) =>
      sync.onSource(`ALTER TABLE products ADD ${column} int; UPDATE products SET ${column} = 1 WHERE id = 1`)
    await sync.onSource(`UPDATE products SET name = 'meanwhile' WHERE id = 1`)
    await cut('one')
    // The second chunk is read before the stream comes to any of this.
    await sync.onSource(`UPDATE slugs SET slug = 'z' WHERE id = 10`)
    await sync.onSource(`UPDATE slugs SET slug = 'a' WHERE id = 30`)
    await sync.onSource(`INSERT INTO slugs VALUES (40, 'n')`)
    await cut('two')
    await sync.onSource(`UPDATE slugs SET slug = 'm' WHERE id = 40`)
    await sync.onSource(`INSERT INTO slugs VALUES (50, 'n')`)
    await gate.open(20)
    await reaches(pipeline, 'streaming')
    await sync.caughtUp()
    const rows = 'SELECT * FROM slugs ORDER BY id'
    expect(await sync.onTarget(rows)).toEqual(await sync.onSource(rows))
    expect(await sync.onTarget('SELECT count(*)::int AS parked FROM ficus.parked')).toEqual([{ parked: 0 }])
    const closed =
      'SELECT key, outcome, closed_by, count(*)::int AS n FROM ficus.parked_closed GROUP BY 1, 2, 3 ORDER BY 1'
    expect(await sync.onTarget(closed)).toEqual([
      { key: { id: '30' }, outcome: 'applied', closed_by: 'sync', n: 2 },
      { key: { id: '40' }, outcome: 'applied', closed_by: 'sync', n: 2 },
    ])
  })

  it('invariant 11: a row that its commit would refuse is parked, the others are copied', async () => {
    const deferred = `${TARGET}; ALTER TABLE opinions ADD FOREIGN KEY (shop) REFERENCES items DEFERRABLE INITIALLY DEFERRED`
    const source = `${SOURCE}; UPDATE reviews SET shop = 7 WHERE shop = 0; INSERT INTO reviews VALUES (999, 'orphan', 3, 'b')`
    await using harness = await createHarness(createDatabase, source, deferred, BEFORE)
    const sync = await asPlainUser(harness, ['products', 'reviews'], ['items', 'opinions'])
    await (await sync.streaming()).stop()
    await sync.streaming({ sync: AFTER })
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED.replace('WHERE', 'WHERE shop < 999 AND')))
    expect(await sync.onTarget('SELECT key, attempts FROM ficus.parked')).toEqual([
      { key: { shop: '999', code: 'orphan' }, attempts: 1 },
    ])
  })

  it('invariant 13: is refused where its target holds rows of somebody else, or the mapping does not fit', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, BEFORE)
    await (await sync.streaming()).stop()
    await sync.onTarget(`INSERT INTO opinions VALUES (1, 'theirs', 1, '')`)
    const refused = sync.pipeline({ sync: AFTER })
    await refused.start()
    await reaches(refused, 'failed')
    expect(refused.status().error).toMatchObject({
      code: 'FICUS_TARGET_NOT_EMPTY',
      message: expect.stringContaining('public.opinions'),
    })
    await refused.stop()
    await sync.onTarget('DELETE FROM opinions')
    const wrong = parseSync({ tables: [PRODUCTS, { ...REVIEWS, forward: { points: 'starz' } }] })
    const unfit = sync.pipeline({ sync: wrong })
    await unfit.start()
    await reaches(unfit, 'failed')
    expect(unfit.status().error).toMatchObject({
      code: 'FICUS_MAPPING_INVALID',
      message: expect.stringContaining('tables[1].forward.points'),
    })
    await unfit.stop()
    await sync.streaming({ sync: parseSync(BEFORE) })
  })
})

describe('a mapping that changes after the copy', () => {
  it('invariant 3: is carried to all rows: they are read anew while the stream goes on', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, { tables: [PRODUCTS, REVIEWS] })
    await (await sync.streaming({ batchRows: 100 })).stop()
    await sync.onTarget(`UPDATE opinions SET seen = true WHERE shop = 1`)
    const seen = await sync.onTarget('SELECT count(*)::int AS n FROM opinions WHERE seen AND points >= 20')
    const writers = await writeHard(sync)
    const changed = { ...REVIEWS, where: 'stars > 1', forward: { points: 'stars * 100', body: 'upper(body)' } }
    await sync.streaming({ sync: parseSync({ tables: [PRODUCTS, changed] }), batchRows: 100 })
    await writers.stop()
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(
      await sync.onSource(
        'SELECT shop, code, stars * 100 AS points, upper(body) AS body FROM reviews WHERE stars > 1 ORDER BY 1, 2',
      ),
    )
    // Columns of the service's own survive, except in rows that were deleted meanwhile.
    const [after] = await sync.onTarget('SELECT count(*)::int AS n FROM opinions WHERE seen')
    expect(after?.n).toBeGreaterThan(0)
    expect(after?.n).toBeLessThanOrEqual(Number(seen[0]?.n) * 2)
  })

  it('invariant 3: is carried to all rows too where sync died as soon as they were copied', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, BEFORE)
    const first = sync.pipeline()
    const stopAtOnce = (point: unknown) => {
      if (point === 'copy.finished') void first.stop()
    }
    channel(POINT_CHANNEL).subscribe(stopAtOnce)
    await first.start()
    await first.ended()
    channel(POINT_CHANNEL).unsubscribe(stopAtOnce)
    await sync.streaming({ sync: parseSync({ tables: [{ ...PRODUCTS, forward: { title: 'upper(name)' } }] }) })
    await sync.caughtUp()
    const rows = await sync.onSource('SELECT id AS item_id, upper(name) AS title FROM products ORDER BY 1')
    expect(await sync.onTarget('SELECT * FROM items ORDER BY 1')).toEqual(rows)
  })

  it('invariant 13: is refused where it does not fit, be the table idle or not; mended, it goes on, and reads anew', async () => {
    const named = (name: string) => parseSync({ tables: [{ ...PRODUCTS, forward: { title: name } }] })
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, BEFORE)
    await (await sync.streaming()).stop()
    const stops = async (name: string, message: RegExp) => {
      const pipeline = sync.pipeline({ sync: named(name) })
      await pipeline.start()
      await reaches(pipeline, 'failed')
      expect(pipeline.status().error).toMatchObject({
        code: 'FICUS_MAPPING_INVALID',
        message: expect.stringMatching(message),
      })
    }
    const lacks = /tables\[0\]\.forward\.title: fails on the source: column "label" does not exist/
    await stops('upper(label)', lacks)
    // Again, now that the stream is past where that was seen.
    await stops('upper(label)', lacks)
    await sync.onSource(`ALTER TABLE products ADD COLUMN label text DEFAULT 'given'`)
    await (await sync.streaming({ sync: named('upper(label)') })).stop()
    expect(await sync.onTarget('SELECT DISTINCT title FROM items')).toEqual([{ title: 'GIVEN' }])
    // By a change that the stream has.
    await sync.onSource(`UPDATE products SET label = 'changed' WHERE id = 1`)
    await stops('lower(labels)', /column "labels" does not exist/)
    const mended = await sync.streaming({ sync: named('upper(label)') })
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT title FROM items WHERE item_id = 1')).toEqual([{ title: 'CHANGED' }])
    await mended.stop()
    // It fits what the stream holds at first, and makes rows of it.
    await sync.onSource('ALTER TABLE products ADD COLUMN tag text; UPDATE products SET tag = 1')
    await sync.onSource('ALTER TABLE products DROP COLUMN tag')
    await stops('label || tag', /column "tag" does not exist/)
    expect(await sync.onTarget('SELECT title FROM items WHERE item_id = 1')).toEqual([{ title: 'changed1' }])
    await sync.streaming({ sync: named('upper(label)') })
    await vi.waitFor(
      async () => {
        expect(await sync.onTarget('SELECT DISTINCT title FROM items ORDER BY 1')).toEqual([
          { title: 'CHANGED' },
          { title: 'GIVEN' },
        ])
      },
      { timeout: 20_000 },
    )
  })

  it('invariant 13: is refused where a table was taken out, or the key is another', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, { tables: [PRODUCTS, REVIEWS] })
    await (await sync.streaming()).stop()
    const removed = sync.pipeline({ sync: parseSync({ tables: [PRODUCTS] }) })
    await removed.start()
    await reaches(removed, 'failed')
    expect(removed.status().error).toMatchObject({
      code: 'FICUS_MAPPING_CHANGED',
      message: expect.stringContaining('no longer fills public.opinions'),
    })
    await sync.onTarget('ALTER TABLE opinions ADD UNIQUE (code)')
    await sync.onSource('ALTER TABLE reviews ADD UNIQUE (code); ALTER TABLE reviews REPLICA IDENTITY FULL')
    const other = { ...REVIEWS, key: { code: 'code' }, forward: { shop: 'shop' } }
    const rekeyed = sync.pipeline({ sync: parseSync({ tables: [PRODUCTS, other] }) })
    await rekeyed.start()
    await reaches(rekeyed, 'failed')
    expect(rekeyed.status().error).toMatchObject({
      code: 'FICUS_MAPPING_CHANGED',
      message: expect.stringContaining('tables[1].key was shop -> shop, code -> code'),
    })
    await sync.streaming({ sync: AFTER })
  })
})
