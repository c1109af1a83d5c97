import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { createHarness, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import type { Pipeline } from './pipeline.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name varchar(20), price numeric(6,2), stock int, note text);
  INSERT INTO products SELECT n, 'product ' || n, n, n, 'note ' || n FROM generate_series(1, 100) n;
`
const TARGET = `
  CREATE TABLE items (item_id bigint PRIMARY KEY, title text NOT NULL, price numeric, stock bigint, note text);
`
const MAPPING = {
  source: 'products',
  target: 'items',
  key: { id: 'item_id' },
  forward: { title: 'name', price: 'price', stock: 'stock', note: 'upper(note)' },
}
const EXPECTED =
  'SELECT id::bigint AS item_id, name AS title, price, stock::bigint AS stock, upper(note) AS note FROM products ORDER BY 1'
const ACTUAL = 'SELECT item_id, title, price, stock, note FROM items ORDER BY 1'

function open(): Promise<SyncHarness> {
  return createHarness(createDatabase, SOURCE, TARGET, { tables: [MAPPING] })
}

async function expectEqual(sync: SyncHarness, expected = EXPECTED): Promise<void> {
  await sync.caughtUp()
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(expected))
}

/** When the source was last looked at. */
function watched(sync: SyncHarness): Promise<unknown> {
  return sync.onSource(
    `SELECT query_start FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%AS parts%' AND pid <> pg_backend_pid()`,
  )
}

/** Rows are read anew some time after the stream has passed what rewrote them. */
async function becomesEqual(sync: SyncHarness): Promise<void> {
  const expected = await sync.onSource(EXPECTED)
  await vi.waitFor(async () => expect(await sync.onTarget(ACTUAL)).toEqual(expected), { timeout: 20_000, interval: 50 })
}

async function failsWith(pipeline: Pipeline, code: string, message: RegExp): Promise<void> {
  await reaches(pipeline, 'failed')
  expect(pipeline.status().error).toMatchObject({ code, message: expect.stringMatching(message) })
}

describe('invariant 3: a source that changes its shape while sync is down', () => {
  const wider = [
    ['int to bigint', 'ALTER TABLE products ALTER COLUMN stock TYPE bigint', 'UPDATE products SET stock = 5000000000'],
    [
      'int key to bigint',
      'ALTER TABLE products ALTER COLUMN id TYPE bigint',
      'UPDATE products SET id = id + 5000000000',
    ],
    [
      'varchar(20) to text',
      'ALTER TABLE products ALTER COLUMN name TYPE text',
      `UPDATE products SET name = repeat('n', 50)`,
    ],
    [
      'numeric(6,2) to numeric(20,6)',
      'ALTER TABLE products ALTER COLUMN price TYPE numeric(20,6)',
      'UPDATE products SET price = 1234567.654321',
    ],
    ['a new column', 'ALTER TABLE products ADD COLUMN extra jsonb', `UPDATE products SET extra = '{}', stock = 7`],
    [
      'a column that is not mapped goes',
      'ALTER TABLE products ADD COLUMN gone int; ALTER TABLE products DROP COLUMN gone',
      'UPDATE products SET stock = 8',
    ],
  ] as const
  it.each(wider)('%s: what came before and after is applied', async (_, alter, after) => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    await sync.onSource(`UPDATE products SET name = 'before' WHERE id < 10; DELETE FROM products WHERE id = 50`)
    await sync.onSource(alter)
    await sync.onSource(after)
    await sync.streaming()
    await expectEqual(sync)
  })

  it('a type is changed with USING: what the old values became comes, not what the stream has of them yet', async () => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    await sync.onSource(`UPDATE products SET stock = 5 WHERE id = 1`)
    await sync.onSource('ALTER TABLE products ALTER stock TYPE bigint USING stock * 100')
    await sync.streaming()
    await becomesEqual(sync)
    expect(await sync.onTarget('SELECT stock FROM items WHERE item_id < 3 ORDER BY item_id')).toEqual([
      { stock: '500' },
      { stock: '200' },
    ])
  })

  it('a mapped column is renamed: with the old sync file it comes to that point, with the new one it goes on', async () => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    await sync.onSource(`UPDATE products SET name = 'before' WHERE id < 10`)
    await sync.onSource('ALTER TABLE products RENAME COLUMN name TO label')
    await sync.onSource(`UPDATE products SET label = 'after' WHERE id < 5`)
    const renamed = parseSync({ tables: [{ ...MAPPING, forward: { ...MAPPING.forward, title: 'label' } }] })
    // The stream still has changes of the old shape.
    await failsWith(await begin(sync, renamed), 'FICUS_SOURCE_CHANGED', /public\.products .*"?label"? does not exist/)
    const old = await begin(sync)
    await failsWith(old, 'FICUS_MAPPING_INVALID', /column "name" does not exist/)
    expect(await sync.onTarget(`SELECT count(*)::int AS n FROM items WHERE title = 'before'`)).toEqual([{ n: 9 }])
    await sync.streaming({ sync: renamed })
    await expectEqual(sync, EXPECTED.replace('name', 'label'))
  })

  it('the table is renamed: with the new name in the sync file all changes come, those of before too', async () => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    await sync.onSource(`UPDATE products SET name = 'before' WHERE id < 10`)
    await sync.onSource('ALTER TABLE products RENAME TO goods')
    await sync.onSource(`UPDATE goods SET name = 'after' WHERE id < 5`)
    await failsWith(await begin(sync), 'FICUS_MAPPING_INVALID', /the source has no table "public"."products"/)
    await sync.streaming({ sync: parseSync({ tables: [{ ...MAPPING, source: 'goods' }] }) })
    await expectEqual(sync, EXPECTED.replace('products', 'goods'))
  })

  async function begin(sync: SyncHarness, mapping = parseSync({ tables: [MAPPING] })): Promise<Pipeline> {
    const pipeline = sync.pipeline({ sync: mapping })
    await pipeline.start()
    return pipeline
  }
})

describe('invariant 13: a source that changes its shape while sync runs', () => {
  it('values are rewritten, be it in the same type, or columns take others’ places: its rows are read anew', async () => {
    await using sync = await open()
    await sync.streaming()
    await sync.onSource('ALTER TABLE products ALTER price TYPE numeric(6,2) USING price * 2')
    await becomesEqual(sync)
    await sync.onSource(
      'ALTER TABLE products RENAME name TO other; ALTER TABLE products RENAME note TO name; ALTER TABLE products RENAME other TO note',
    )
    await becomesEqual(sync)
    await sync.onSource('ALTER TABLE products DROP stock, ADD stock int DEFAULT 77')
    await becomesEqual(sync)
  })

  it('its files are made anew and no column is altered: nothing is read anew', async () => {
    await using sync = await open()
    await sync.streaming()
    // What was read anew would be as the source has it.
    await sync.onTarget(`UPDATE items SET note = 'OF THE SERVICE' WHERE item_id = 9`)
    await sync.onSource('VACUUM FULL products')
    await sync.onSource('ALTER TABLE products ADD COLUMN extra text; UPDATE products SET stock = 0 WHERE id = 10')
    await sync.caughtUp()
    // The third look would find it, and that the stream is past what the first one saw.
    for (let look = 0; look < 3; look++) {
      const last = await watched(sync)
      await vi.waitFor(async () => expect(await watched(sync)).not.toEqual(last), { timeout: 20_000, interval: 20 })
      await sync.caughtUp()
    }
    expect(await sync.onTarget(`SELECT note FROM items WHERE item_id = 9`)).toEqual([{ note: 'OF THE SERVICE' }])
  })

  it('a mapped column is given a type that the target would round: stops, and goes on once that is written', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource('UPDATE products SET stock = 1')
    await sync.onSource('ALTER TABLE products ALTER stock TYPE numeric')
    await sync.onSource('UPDATE products SET stock = 1.5 WHERE id = 1')
    const message = /public\.products has changed: "?stock"? is numeric by now, and public\.items\.stock, .* bigint/
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', message)
    expect(pipeline.status().error?.remedy).toContain('(stock)::bigint')
    expect(await sync.onTarget('SELECT DISTINCT stock FROM items')).toEqual([{ stock: '1' }])
    await sync.streaming({
      sync: parseSync({ tables: [{ ...MAPPING, forward: { ...MAPPING.forward, stock: 'trunc(stock)::bigint' } }] }),
    })
    await expectEqual(sync, EXPECTED.replace('stock::bigint', 'trunc(stock)::bigint'))
  })

  it('a mapped numeric is given more digits than the target keeps: stops, and goes on once that is written', async () => {
    const narrow = TARGET.replace('price numeric', 'price numeric(6,2)')
    await using sync = await createHarness(createDatabase, SOURCE, narrow, { tables: [MAPPING] })
    const pipeline = await sync.streaming()
    await sync.onSource('UPDATE products SET price = 1.25')
    await sync.onSource('ALTER TABLE products ALTER price TYPE numeric(8,4)')
    await sync.onSource('UPDATE products SET price = 1.2555 WHERE id = 1')
    const message =
      /public\.products has changed: "?price"? is numeric\(8,4\) by now, and public\.items\.price, .* numeric\(6,2\)/
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', message)
    expect(await sync.onTarget('SELECT DISTINCT price FROM items')).toEqual([{ price: '1.25' }])
    const written = { ...MAPPING, forward: { ...MAPPING.forward, price: 'price::numeric(6,2)' } }
    await sync.streaming({ sync: parseSync({ tables: [written] }) })
    await expectEqual(sync, EXPECTED.replace('price', 'price::numeric(6,2)'))
  })

  it('a mapped numeric loses its limits: stops, and a mapping that begins so is refused', async () => {
    const narrow = TARGET.replace('price numeric', 'price numeric(6,2)')
    await using sync = await createHarness(createDatabase, SOURCE, narrow, { tables: [MAPPING] })
    const pipeline = await sync.streaming()
    await sync.onSource('CREATE DOMAIN money_of AS numeric(6,2); ALTER TABLE products ALTER price TYPE money_of')
    await sync.onSource('UPDATE products SET price = 1.25')
    await sync.caughtUp()
    await sync.onSource('ALTER TABLE products ALTER price TYPE numeric')
    await sync.onSource('UPDATE products SET price = 1.2555 WHERE id = 1')
    await failsWith(
      pipeline,
      'FICUS_SOURCE_CHANGED',
      /"?price"? is numeric by now, and public\.items\.price, .* numeric\(6,2\)/,
    )
    expect(await sync.onTarget('SELECT DISTINCT price FROM items')).toEqual([{ price: '1.25' }])
    await pipeline.drop()

    const again = sync.pipeline()
    await again.start()
    await failsWith(
      again,
      'FICUS_MAPPING_INVALID',
      /forward\.price: is numeric, and public\.items\.price numeric\(6,2\)/,
    )
    const written = { ...MAPPING, forward: { ...MAPPING.forward, price: 'price::numeric(6,2)' } }
    await sync.streaming({ sync: parseSync({ tables: [written] }) })
    await expectEqual(sync, EXPECTED.replace('price', 'price::numeric(6,2)'))
  })

  it('the same, and the target’s column is given the type too: goes on with the same sync file', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource('ALTER TABLE products ALTER stock TYPE numeric')
    await sync.onSource('UPDATE products SET stock = 1.5 WHERE id = 1')
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /numeric/)
    await sync.onTarget('ALTER TABLE items ALTER stock TYPE numeric')
    await sync.streaming()
    await expectEqual(sync, EXPECTED.replace('stock::bigint', 'stock'))
  })

  it('a mapped column is dropped: stops, and goes on without it', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource(`UPDATE products SET stock = 1 WHERE id = 1`)
    await sync.onSource('ALTER TABLE products DROP COLUMN note')
    await sync.onSource('UPDATE products SET stock = 2')
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products .*"?note"? does not exist/)
    await sync.streaming({
      sync: parseSync({ tables: [{ ...MAPPING, forward: { title: 'name', price: 'price', stock: 'stock' } }] }),
    })
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT DISTINCT stock FROM items')).toEqual([{ stock: '2' }])
    expect(await sync.onTarget('SELECT note FROM items WHERE item_id = 3')).toEqual([{ note: 'NOTE 3' }])
  })

  it('the type under an expression changes: stops, and goes on with another expression', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource(`UPDATE products SET note = 'before' WHERE id = 1`)
    await sync.onSource('ALTER TABLE products ALTER COLUMN note TYPE int USING length(note)')
    await sync.onSource('UPDATE products SET stock = 3')
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products .*upper\(integer\) does not exist/)
    await sync.streaming({
      sync: parseSync({ tables: [{ ...MAPPING, forward: { ...MAPPING.forward, note: 'note::text' } }] }),
    })
    await expectEqual(sync, EXPECTED.replace('upper(note)', 'note::text'))
  })

  it('the key column is dropped, or the replica identity no longer tells it', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource(
      'ALTER TABLE products ADD COLUMN code int UNIQUE; UPDATE products SET code = id; ALTER TABLE products ALTER COLUMN code SET NOT NULL',
    )
    await sync.caughtUp()
    await sync.onSource(
      'ALTER TABLE products REPLICA IDENTITY USING INDEX products_code_key; DELETE FROM products WHERE id = 7',
    )
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products .*replica identity is code.* does not tell id/)
    await sync.onSource('ALTER TABLE products DROP COLUMN id')
    await sync.onSource('UPDATE products SET stock = 1')
    expect(await sync.onTarget('SELECT count(*)::int AS n FROM items')).toEqual([{ n: 100 }])
  })

  it('the table is renamed, or another one takes its name: stops within seconds, nothing is lost', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource('ALTER TABLE products RENAME TO goods')
    await sync.onSource(`UPDATE goods SET name = 'renamed'`)
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products .* is called public\.goods now/)
    const renamed = parseSync({ tables: [{ ...MAPPING, source: 'goods' }] })
    const again = await sync.streaming({ sync: renamed })
    await expectEqual(sync, EXPECTED.replace('products', 'goods'))
    await sync.onSource('ALTER TABLE goods RENAME TO goods_old; CREATE TABLE goods (LIKE goods_old INCLUDING ALL)')
    await failsWith(again, 'FICUS_SOURCE_CHANGED', /public\.goods .* is called public\.goods_old now/)
    const swapped = sync.pipeline({ sync: renamed })
    await swapped.start()
    await failsWith(swapped, 'FICUS_SOURCE_CHANGED', /public\.goods is not the table that was copied/)
  })

  it('the table is renamed while sync comes up: stops within seconds, nothing is lost', async () => {
    await using sync = await open()
    await (await sync.streaming()).stop()
    // So long after its first look the next one finds what happened meanwhile.
    const looked = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query LIKE '%AS parts%'`
    const pipeline = sync.pipeline({
      watchMs: 1_000,
      engine: options => {
        const source = new PostgresSource(options)
        const read = source.read.bind(source)
        return Object.assign(source, {
          async *read(...from: Parameters<typeof read>) {
            await vi.waitFor(async () => expect(await sync.onSource(looked)).toHaveLength(1), { timeout: 20_000 })
            await sync.onSource('ALTER TABLE products RENAME TO goods')
            await sync.onSource(`UPDATE goods SET name = 'renamed'`)
            yield* read(...from)
          },
        })
      },
    })
    await pipeline.start()
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products .* is called public\.goods now/)
    await sync.streaming({ sync: parseSync({ tables: [{ ...MAPPING, source: 'goods' }] }) })
    await expectEqual(sync, EXPECTED.replace('products', 'goods'))
  })

  it('the table is given a child table, or dropped: stops within seconds', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource('CREATE TABLE products_of_old () INHERITS (products)')
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products has child tables now/)
    await sync.onSource('DROP TABLE products_of_old')
    const again = await sync.streaming()
    await sync.onSource('DROP TABLE products')
    await failsWith(again, 'FICUS_SOURCE_CHANGED', /public\.products .* was dropped/)
    expect(await sync.onTarget('SELECT count(*)::int AS n FROM items')).toEqual([{ n: 100 }])
  })

  it('the table is taken out of the publication: stops, and does not put it back as if nothing had been', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onSource(
      `DO $$ BEGIN EXECUTE (SELECT format('ALTER PUBLICATION %I DROP TABLE products', pubname) FROM pg_publication); END $$`,
    )
    await sync.onSource(`UPDATE products SET name = 'unseen'`)
    await failsWith(pipeline, 'FICUS_SOURCE_CHANGED', /public\.products was taken out of publication/)
    const again = sync.pipeline()
    await again.start()
    await failsWith(again, 'FICUS_SOURCE_CHANGED', /public\.products is no longer in publication/)
  })
})

describe('invariant 13: a target that changes its shape while sync runs', () => {
  it('a mapped column is dropped: stops, parks nothing, and goes on when it is back', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onTarget('ALTER TABLE items DROP COLUMN note')
    await sync.onSource('UPDATE products SET stock = 9')
    await failsWith(pipeline, 'FICUS_MAPPING_INVALID', /tables\[0\]\.forward\.note: public\.items has no column note/)
    expect(await sync.onTarget('SELECT count(*)::int AS n FROM ficus.parked')).toEqual([{ n: 0 }])
    await sync.onTarget('ALTER TABLE items ADD COLUMN note text')
    await sync.streaming()
    await sync.onSource(`UPDATE products SET note = note || '!'`)
    await expectEqual(sync)
  })

  it('a column becomes NOT NULL without a default: stops, parks nothing, and goes on after mending', async () => {
    await using sync = await open()
    const pipeline = await sync.streaming()
    await sync.onTarget(
      'ALTER TABLE items ADD COLUMN colour text; UPDATE items SET colour = $$red$$; ALTER TABLE items ALTER COLUMN colour SET NOT NULL',
    )
    await sync.onSource(`INSERT INTO products VALUES (101, 'new', 1, 1, 'n')`)
    await failsWith(pipeline, 'FICUS_MAPPING_INVALID', /public\.items\.colour is NOT NULL without a default/)
    expect(await sync.onTarget('SELECT count(*)::int AS n FROM ficus.parked')).toEqual([{ n: 0 }])
    await sync.onTarget(`ALTER TABLE items ALTER COLUMN colour SET DEFAULT 'blue'`)
    await sync.streaming()
    await expectEqual(sync)
  })

  it('a type becomes another that the values still fit: goes on', async () => {
    await using sync = await open()
    await sync.streaming()
    await sync.onTarget(
      'ALTER TABLE items ALTER COLUMN stock TYPE int; ALTER TABLE items ALTER COLUMN title TYPE varchar(30)',
    )
    await sync.onSource('UPDATE products SET stock = 10')
    await sync.caughtUp()
    expect(await sync.onTarget('SELECT DISTINCT stock FROM items')).toEqual([{ stock: 10 }])
  })
})
