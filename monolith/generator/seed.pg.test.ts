import { createDatabase } from '@ficus/deploy/testing/postgres'
import type { Knex } from 'knex'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../database/connection.ts'
import { migrate, unmigrate } from '../database/migrate.ts'
import { SEEDED_TABLES, type SeedOptions, type SeedProgress, seed } from './seed.ts'

const SMALL = { products: 300, orders: 400, customers: 50, seed: 7 }

async function openShop() {
  const database = await createDatabase('shop')
  const db = openDatabase(database.url)
  await migrate(db)
  return {
    db,
    async [Symbol.asyncDispose]() {
      await db.destroy()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** A checksum of every row of every table, whatever their order. */
async function checksums(db: Knex): Promise<Record<string, string>> {
  const sums: Record<string, string> = {}
  for (const table of SEEDED_TABLES) {
    const { rows } = await db.raw(
      `select count(*) || ':' || coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0) as sum from ${table} t`,
    )
    sums[table] = rows[0].sum
  }
  return sums
}

describe('seed', () => {
  it('gives the same rows for the same arguments, other rows for another seed', async () => {
    await using one = await openShop()
    await using two = await openShop()
    await seed(one.db, SMALL)
    await seed(two.db, { ...SMALL, seed: 8 })
    const first = await checksums(one.db)
    expect(await checksums(two.db)).not.toEqual(first)

    await seed(two.db, { ...SMALL, force: true })
    expect(await checksums(two.db)).toEqual(first)
  })

  it('keeps its hands off a database that has products, unless forced', async () => {
    await using shop = await openShop()
    expect(await seed(shop.db, SMALL)).toBe(true)
    const before = await checksums(shop.db)
    expect(await seed(shop.db, { ...SMALL, products: 10 })).toBe(false)
    expect(await checksums(shop.db)).toEqual(before)
    expect(await seed(shop.db, { ...SMALL, products: 10, force: true })).toBe(true)
    expect(await count(shop.db, 'products')).toBe(10)
  })

  it('leaves nothing behind when it fails', async () => {
    await using shop = await openShop()
    const onProgress = ({ what }: SeedProgress) => {
      if (what === 'orders') throw new Error('pulled the plug')
    }
    await expect(seed(shop.db, { ...SMALL, onProgress })).rejects.toThrow('pulled the plug')
    for (const table of SEEDED_TABLES) expect([table, await count(shop.db, table)]).toEqual([table, 0])
    expect(await seed(shop.db, SMALL)).toBe(true)
  })

  it('reports progress up to the end', async () => {
    await using shop = await openShop()
    const seen: SeedProgress[] = []
    await seed(shop.db, { ...SMALL, onProgress: progress => seen.push(progress) })
    expect(seen.map(({ what }) => what)).toEqual(['products', 'customers', 'orders'])
    expect(seen.at(-1)).toEqual({ what: 'orders', done: 750, total: 750 })
  })

  it.each<SeedOptions>([
    { products: 1, orders: 0 },
    { products: 1, orders: 5, customers: 2 },
  ])('fills a small shop: %j', async options => {
    await using shop = await openShop()
    await seed(shop.db, options)
    expect([await count(shop.db, 'products'), await count(shop.db, 'orders')]).toEqual([
      options.products,
      options.orders,
    ])
  })
})

describe('what is seeded', () => {
  it('is a shop in good order, with what real ones have', async () => {
    await using shop = await openShop()
    await seed(shop.db, { products: 2_000, orders: 500, customers: 50 })
    const one = async (sql: string) => (await shop.db.raw(sql)).rows[0].n

    // The levels are what the movements add up to, and nothing was sold that was not there.
    expect(await one('select count(*)::int as n from stock_levels where on_hand < 0')).toBe(0)
    expect(
      await one(`select count(*)::int as n from stock_levels l
        where on_hand <> (select sum(delta) from stock_movements m where m.product_id = l.product_id)`),
    ).toBe(0)
    // Every total follows from its lines.
    expect(
      await one(`select count(*)::int as n from orders o where total <> subtotal - discount + shipping
        or subtotal <> (select sum(quantity * unit_price) from order_items i where i.order_id = o.id)`),
    ).toBe(0)
    // Long texts that do not compress lie in the TOAST table, out of line.
    expect(
      await one('select count(*)::int as n from products where pg_column_size(description_en) > 8192'),
    ).toBeGreaterThan(5)
    expect(
      await one("select pg_relation_size(reltoastrelid)::int as n from pg_class where relname = 'products'"),
    ).toBeGreaterThan(0)
    // Time has microseconds that are not all zero.
    expect(
      await one('select count(*)::int as n from products where extract(microseconds from updated_at)::int % 1000 <> 0'),
    ).toBeGreaterThan(1_500)
    for (const rare of [
      'deleted_at is not null',
      'not active',
      'brand_id is null',
      'name_de is null',
      "tags = '{}'",
      'sale_price is not null',
    ]) {
      expect([rare, await one(`select count(*)::int as n from products where ${rare}`)]).not.toEqual([rare, 0])
    }
  })

  it('is followed by rows that the shop makes', async () => {
    await using shop = await openShop()
    await seed(shop.db, SMALL)
    const [brand] = await shop.db('brands').insert({ name: 'Another' }).returning('id')
    expect(brand.id).toBe(25)
    const { rows } = await shop.db.raw("select nextval('order_numbers') as next, max(number) as last from orders")
    expect(rows[0]).toEqual({ next: '100401', last: 'S-100400' })
  })
})

describe('the schema', () => {
  it('has fourteen tables at least, and goes away as it came', async () => {
    await using shop = await openShop()
    const tables = "select count(*)::int as n from pg_tables where schemaname = 'public' and tablename not like 'knex%'"
    expect((await shop.db.raw(tables)).rows[0].n).toBeGreaterThanOrEqual(14)
    expect(await migrate(shop.db)).toEqual([])
    await unmigrate(shop.db)
    expect((await shop.db.raw(tables)).rows[0].n).toBe(0)
  })
})

async function count(db: Knex, table: string): Promise<number> {
  const [row] = await db(table).count('* as n')
  return Number(row?.n)
}
