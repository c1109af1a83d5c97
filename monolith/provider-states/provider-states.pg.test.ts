import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { startShop } from '../testing/shop.ts'

async function startProvider() {
  const shop = await startShop(await createDatabase('shop'), { products: 0, providerStates: true })
  const enter = (state: string, params = {}, action = 'setup') =>
    shop.app.inject({ method: 'POST', url: '/_pact/provider-states', payload: { state, params, action } })
  const get = async (url: string) => (await shop.app.inject(url)).json()
  return { shop, enter, get, [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() }
}

it('has a product with the given values, however often it is asked for', async () => {
  await using provider = await startProvider()
  for (const name of ['Teapot', 'Other Pot']) {
    const params = { id: 17, sku: 'KIT-17', name, price: '21.50' }
    expect((await provider.enter('a product exists', params)).statusCode).toBe(200)
    expect(await provider.get('/api/products/17')).toMatchObject({
      id: 17,
      sku: 'KIT-17',
      name: { en: name },
      price: { amount: '21.50', currency: 'EUR', sale: '14.90' },
      updated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    })
  }
  expect((await provider.enter('a product exists', { id: 18 })).statusCode).toBe(200)
  expect(await provider.get('/api/products/18')).toMatchObject({ sku: 'CONTRACT-18', price: { amount: '19.90' } })
})

it('has no product with the id, and has it again', async () => {
  await using provider = await startProvider()
  await provider.enter('a product exists', { id: 17 })
  await provider.enter('no product with that id', { id: 17 })
  expect(await provider.get('/api/products/17')).toMatchObject({ error: 'not_found' })
  await provider.enter('a product exists', { id: 17 })
  expect(await provider.get('/api/products/17')).toMatchObject({ id: 17 })
})

it('has exactly as many products in a category', async () => {
  await using provider = await startProvider()
  for (const count of [3, 1, 3]) {
    await provider.enter('products in a category exist', { slug: 'kitchen-teapots', count })
    const { items, total } = await provider.get('/api/products?category=kitchen-teapots')
    expect([items.length, total]).toEqual([count, count])
  }
  expect(await provider.get('/api/categories/kitchen-teapots')).toMatchObject({ product_count: 3 })
})

it('has categories and brands, and then nothing', async () => {
  await using provider = await startProvider()
  await provider.enter('categories exist')
  await provider.enter('brands exist')
  expect((await provider.get('/api/categories')).length).toBeGreaterThan(1)
  expect((await provider.get('/api/brands')).length).toBeGreaterThan(0)
  await provider.enter('the catalog is empty')
  for (const path of ['/api/categories', '/api/brands']) expect(await provider.get(path)).toEqual([])
  expect(await provider.get('/api/products')).toMatchObject({ items: [], total: 0 })
})

it('gives what the shop makes afterwards an id of its own', async () => {
  await using provider = await startProvider()
  await provider.enter('a product exists', { id: 17 })
  const [brand] = await provider.shop.db('brands').insert({ name: 'Another' }).returning('id')
  expect(brand.id).toBeGreaterThan(9001)
})

it('names the states that it knows when it does not know one', async () => {
  await using provider = await startProvider()
  for (const state of ['a unicorn exists', 'toString']) {
    const response = await provider.enter(state)
    expect([response.statusCode, response.json().message]).toEqual([400, expect.stringContaining('"a product exists"')])
  }
  expect((await provider.enter('a product exists', { id: 'x' })).json().fields).toHaveProperty('id')
})

it('does nothing at a teardown', async () => {
  await using provider = await startProvider()
  await provider.enter('a product exists', { id: 17 })
  expect((await provider.enter('a product exists', { id: 17 }, 'teardown')).statusCode).toBe(200)
  expect(await provider.get('/api/products/17')).toMatchObject({ id: 17 })
})

it('is not there unless it is asked for', async () => {
  await using shop = await startShop(await createDatabase('shop'), { products: 0 })
  const response = await shop.app.inject({ method: 'POST', url: '/_pact/provider-states', payload: {} })
  expect(response.statusCode).toBe(404)
})
