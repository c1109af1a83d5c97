import { createDatabase, withWrongPassword } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import type { ChangeSourceFactory, ChangeSourceOptions } from '../change-source/change-source.ts'
import { originName } from '../change-source/names.ts'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { CAPABILITY, createHarness, LEDGER, reaches } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(12,2));
  INSERT INTO products SELECT n, 'product ' || n, n FROM generate_series(1, 100) n;
`
const TARGET = 'CREATE TABLE items (item_id int PRIMARY KEY, title text, cents bigint CHECK (cents >= 0))'
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'name', cents: '(price * 100)::bigint' },
    },
  ],
}
const EXPECTED = 'SELECT id AS item_id, name AS title, (price * 100)::bigint AS cents FROM products ORDER BY 1'
const ACTUAL = 'SELECT item_id, title, cents FROM items ORDER BY 1'

describe('invariant 11: a change that the target refuses', () => {
  it('stops sync where no more may be parked; nothing is skipped, and it resumes after mending', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const pipeline = await sync.streaming({ maxParked: 0 })
    await sync.onSource(
      `BEGIN; UPDATE products SET name = 'before'; UPDATE products SET price = -1 WHERE id = 42; COMMIT`,
    )
    await sync.onSource(`UPDATE products SET name = 'after'`)
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_CHANGE_REFUSED',
      message: expect.stringMatching(
        /public\.items cannot take the update of public\.products \(id = 42\): .*items_cents_check/,
      ),
    })
    expect(await sync.onTarget(`SELECT count(*)::int AS n FROM items WHERE title IN ('before', 'after')`)).toEqual([
      { n: 0 },
    ])

    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT items_cents_check')
    await sync.streaming()
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  })

  it('in the first copy stops that, and begins it anew after mending', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.onSource('UPDATE products SET price = -1 WHERE id = 42')
    const pipeline = sync.pipeline()
    await pipeline.start()
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_CHANGE_REFUSED',
      message: expect.stringMatching(/public\.items cannot take the copy of public\.products: .*items_cents_check/),
    })
    await sync.onTarget('ALTER TABLE items DROP CONSTRAINT items_cents_check')
    await sync.streaming()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  })
})

describe('a source that changes its shape', () => {
  it('goes on past a new column that is not mapped', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.streaming()
    await sync.onSource(`
      BEGIN; UPDATE products SET price = 5 WHERE id = 1; ALTER TABLE products ADD COLUMN extra text DEFAULT 'x';
      UPDATE products SET price = 6 WHERE id = 2; ALTER TABLE products DROP COLUMN extra; INSERT INTO products VALUES (500, 'n', 1); COMMIT`)
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  })

  it('goes on past a type that became wider', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.streaming()
    await sync.onSource('ALTER TABLE products ALTER COLUMN price TYPE float8')
    await sync.onSource('UPDATE products SET price = 12.5 WHERE id = 1')
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
  })

  it('invariant 13: stops at a mapped column that was renamed, and resumes with a new mapping', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const pipeline = await sync.streaming()
    await sync.onSource(`UPDATE products SET name = 'under the old name' WHERE id < 50`)
    await sync.onSource('ALTER TABLE products RENAME COLUMN name TO label')
    await sync.onSource(`UPDATE products SET label = 'under the new name' WHERE id < 10`)
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_SOURCE_CHANGED',
      message: expect.stringMatching(/public\.products .*"?name"? does not exist/),
    })
    const [table] = SYNC.tables
    const adapted = { tables: [{ ...table, forward: { title: 'label', cents: '(price * 100)::bigint' } }] }
    await sync.streaming({ sync: parseSync(adapted) })
    await sync.caughtUp()
    expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED.replace('name', 'label')))
  })
})

describe('invariant 13: a state that somebody has to mend', () => {
  it('refuses a target that holds rows of somebody else', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.onTarget(`INSERT INTO items VALUES (1, 'theirs', 1)`)
    const pipeline = sync.pipeline()
    await pipeline.start()
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_TARGET_NOT_EMPTY',
      message: 'public.items of the service’s database holds rows already',
    })
    expect(await sync.onTarget('SELECT title FROM items')).toEqual([{ title: 'theirs' }])
    expect(await sync.onSource('SELECT FROM pg_replication_slots WHERE database = current_database()')).toEqual([])
  })

  it('tells all that is wrong with a mapping before it touches anything', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const [table] = SYNC.tables
    const wrong = { tables: [{ ...table, forward: { title: 'nme', cents: 'name' } }] }
    const pipeline = sync.pipeline({ sync: parseSync(wrong) })
    await pipeline.start()
    await reaches(pipeline, 'failed')
    const { code, message } = pipeline.status().error ?? {}
    expect(code).toBe('FICUS_MAPPING_INVALID')
    expect(message).toMatch(/tables\[0\]\.forward\.title: fails on the source: column "nme" does not exist/)
    expect(message).toMatch(/tables\[0\]\.forward\.cents: does not fit bigint/)
    expect(await sync.onSource('SELECT FROM pg_publication')).toEqual([])
  })

  it('invariant 3: refuses to go on where the target was set back behind what the slot still holds', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const pipeline = await sync.streaming()
    await pipeline.stop()
    const [before] = await sync.onTarget('SELECT position FROM ficus.progress')
    const next = sync.pipeline()
    await next.start()
    await sync.caughtUp()
    await next.stop()
    await sync.onTarget(`UPDATE ficus.progress SET position = '${JSON.stringify(before?.position)}'`)

    const again = sync.pipeline()
    await again.start()
    await reaches(again, 'failed')
    expect(again.status().error).toMatchObject({
      code: 'FICUS_SLOT_LOST',
      message: expect.stringContaining('set back to an earlier time'),
    })
  })

  it('says that changes are lost when the slot is gone', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const pipeline = await sync.streaming()
    await pipeline.stop()
    // The server notices only by and by that the slot's reader has left.
    const dropped = () =>
      sync.onSource(
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active',
      )
    await expect.poll(dropped, { timeout: 30_000 }).toHaveLength(1)
    const again = sync.pipeline()
    await again.start()
    await reaches(again, 'failed')
    expect(again.status().error?.code).toBe('FICUS_SLOT_LOST')
  })

  it('says that somebody else reads the slot, and goes on once nobody does', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    let options: ChangeSourceOptions | undefined
    const engine: ChangeSourceFactory = given => {
      options = given
      return new PostgresSource(given)
    }
    const first = await sync.streaming({ engine })
    const from = { lsn: first.status().position ?? '' }
    await first.stop()
    if (options === undefined) throw new TypeError('the pipeline made its engine')
    const other = new PostgresSource(options)
    const left = new AbortController()
    const reading = other.read(from, left.signal)[Symbol.asyncIterator]()
    const read = reading.next()
    const held = `SELECT FROM pg_replication_slots WHERE active AND database = current_database()`
    await vi.waitUntil(async () => (await sync.onSource(held)).length > 0, { timeout: 20_000, interval: 20 })
    const pipeline = sync.pipeline()
    await pipeline.start()
    await vi.waitFor(
      () =>
        expect(pipeline.status()).toMatchObject({
          state: 'waiting',
          error: {
            code: 'FICUS_DATABASE_BUSY',
            message: expect.stringMatching(/slot .* is in use: backend \d+ reads it/),
            remedy: expect.stringContaining('pg_stat_replication'),
          },
        }),
      { timeout: 20_000, interval: 20 },
    )
    left.abort()
    await read
    await other.stop()
    await reaches(pipeline, 'streaming')
  })

  it('names the right that a user lacks', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await sync.onSource(`CREATE ROLE weak_${process.pid} LOGIN PASSWORD 'weak'`)
    const url = new URL(sync.source.url)
    url.username = `weak_${process.pid}`
    url.password = 'weak'
    await sync.onSource(`GRANT SELECT ON products TO weak_${process.pid}`)
    const pipeline = sync.pipeline({ source: { url: url.href, name: 'the monolith’s database' } })
    await pipeline.start()
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_DATABASE_UNFIT',
      message: expect.stringContaining('the monolith’s database refuses a publication'),
      remedy: expect.stringContaining('must own public.products'),
    })
    await sync.onSource(`DROP OWNED BY weak_${process.pid}; DROP ROLE weak_${process.pid}`)
  })

  it('names a password that is wrong', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    const url = withWrongPassword(sync.target.url)
    const pipeline = sync.pipeline({ target: { url, name: 'the service’s database' } })
    await pipeline.start()
    await reaches(pipeline, 'failed')
    expect(pipeline.status().error).toMatchObject({
      code: 'FICUS_DATABASE_REFUSED',
      message: expect.stringMatching(/the service’s database at postgres:\/\/nobody:\*\*\*@.* refused: password/),
    })
  })
})

it('goes back to legacy: nothing of sync is left, and a first copy can begin again', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const pipeline = await sync.streaming()
  const origins = `SELECT FROM pg_replication_origin WHERE roname = '${originName({ capability: CAPABILITY, direction: 'forward', ledger: LEDGER }, sync.target.url)}'`
  expect(await sync.onTarget(origins)).toHaveLength(1)
  expect(await pipeline.drop()).toEqual({ existed: true })
  expect(await sync.onTarget(origins)).toEqual([])
  expect(await sync.onTarget('SELECT FROM items')).toEqual([])
  expect(await sync.onTarget('SELECT FROM ficus.progress')).toEqual([])
  expect(await sync.onSource('SELECT FROM pg_publication')).toEqual([])
  expect(await sync.onSource('SELECT FROM pg_replication_slots WHERE database = current_database()')).toEqual([])
  await sync.onTarget(`INSERT INTO items VALUES (1, 'theirs', 1)`)
  expect(await sync.pipeline().drop()).toEqual({ existed: false })
  expect(await sync.onTarget('SELECT title FROM items')).toEqual([{ title: 'theirs' }])
  await sync.onTarget('DELETE FROM items')
  await sync.streaming()
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
})

it('never takes along rows that sync did not write, whatever their foreign key says', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onTarget('CREATE TABLE notes (item_id int REFERENCES items ON DELETE CASCADE, note text)')
  const pipeline = await sync.streaming()
  await sync.onTarget(`INSERT INTO notes VALUES (1, 'ours')`)
  await expect(pipeline.drop()).rejects.toMatchObject({
    code: 'FICUS_TARGET_NOT_EMPTY',
    message: expect.stringContaining('notes refers to it'),
  })
  expect(await sync.onTarget('SELECT note FROM notes')).toEqual([{ note: 'ours' }])
  expect(await sync.onTarget('SELECT FROM items')).toHaveLength(100)

  await sync.onTarget('DELETE FROM notes')
  expect(await sync.pipeline().drop()).toEqual({ existed: true })
  expect(await sync.onTarget('SELECT FROM items')).toEqual([])
})
