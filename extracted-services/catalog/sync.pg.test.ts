import { createDatabase } from '@ficus/deploy/testing/postgres'
import { openDatabase as openShop } from '@shop/monolith/database/connection'
import { migrate as migrateShop } from '@shop/monolith/database/migrate'
import { seed } from '@shop/monolith/generator/seed'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase } from './database/connection.ts'
import { migrate } from './database/migrate.ts'
import sync from './sync.ts'
import { copyForward, copyReverse, differingRows, type TwoSides } from './testing/mapped-copy.ts'
import { insertOddRows, oddCategory, oddProduct } from './testing/odd-rows.ts'

const resources = new AsyncDisposableStack()
let sides: TwoSides

beforeAll(async () => {
  const shop = openShop(resources.use(await createDatabase('shop')).url)
  const catalog = openDatabase(resources.use(await createDatabase('catalog')).url)
  resources.defer(() => shop.destroy())
  resources.defer(() => catalog.destroy())
  sides = { shop, catalog }
  await migrateShop(shop)
  await migrate(catalog)
  await seed(shop, { products: 500, orders: 0 })
})

afterAll(() => resources.disposeAsync())

async function columnsOf(side: 'shop' | 'catalog', table: string): Promise<string[]> {
  const { rows } = await sides[side].raw<{ rows: { column_name: string }[] }>(
    `select column_name from information_schema.columns
     where table_schema || '.' || table_name = ? and is_generated = 'NEVER' order by column_name`,
    [table],
  )
  return rows.map(row => row.column_name)
}

it.each(sync.tables)('maps every column of $source and $target', async ({ source, target, key, forward, reverse }) => {
  expect([...Object.values(key), ...Object.keys(forward)].toSorted()).toEqual(await columnsOf('catalog', target))
  expect([...Object.keys(key), ...Object.keys(reverse ?? {})].toSorted()).toEqual(await columnsOf('shop', source))
})

it('gives the same rows there and back', async () => {
  await copyForward(sides)
  await copyReverse(sides)
  expect(await differingRows(sides.shop)).toEqual([])
  const { rows } = await sides.shop.raw(
    `select count(*)::int as all, count(deleted_at)::int as deleted, count(*) filter (where not active)::int as inactive,
            count(*) filter (where name_fr is null)::int as untranslated
     from returned.products`,
  )
  expect(rows[0].all).toBe(500)
  for (const kind of ['deleted', 'inactive', 'untranslated']) expect(rows[0][kind], kind).toBeGreaterThan(0)
})

it('gives the same rows there and back, however odd', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(oddCategory, fc.array(oddProduct, { minLength: 1, maxLength: 8 }), async (category, products) => {
      await sides.shop.raw('truncate product_images, products, brands, categories cascade')
      await insertOddRows(sides.shop, `odd ${run++}`, category, products)
      await copyForward(sides)
      await copyReverse(sides)
      expect(await differingRows(sides.shop)).toEqual([])
    }),
    { numRuns: 40 },
  )
})

it('sees a difference where there is one', async () => {
  await insertOddRows(sides.shop, 'planted', { name_en: 'x', name_de: null, name_fr: null, position: 0 }, [])
  await copyForward(sides)
  await sides.catalog.raw(`update catalog.taxonomy set names = names || '{"fr": ""}' where slug like 'planted%'`)
  await copyReverse(sides)
  expect(await differingRows(sides.shop)).toHaveLength(1)
})
