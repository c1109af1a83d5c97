import { createDatabase } from '@ficus/deploy/testing/postgres'
import { createApp as createShop } from '@shop/monolith/app'
import { openDatabase as openShop } from '@shop/monolith/database/connection'
import { migrate as migrateShop } from '@shop/monolith/database/migrate'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createApp } from '../app.ts'
import { openDatabase } from '../database/connection.ts'
import { migrate } from '../database/migrate.ts'

const resources = new AsyncDisposableStack()
let providers: FastifyInstance[]

beforeAll(async () => {
  const shop = openShop(resources.use(await createDatabase('shop_states')).url)
  const catalog = openDatabase(resources.use(await createDatabase('catalog_states')).url)
  resources.defer(() => shop.destroy())
  resources.defer(() => catalog.destroy())
  await migrateShop(shop)
  await migrate(catalog)
  providers = [
    createShop({ db: shop, adminApiKey: 'key', version: 'test', providerStates: true }),
    createApp({ db: catalog, adminApiKey: 'key', version: 'test', providerStates: true }),
  ]
  for (const provider of providers) resources.defer(() => provider.close())
})

afterAll(() => resources.disposeAsync())

/** What both providers answer, which must be the same but for the clock. */
async function sameAnswer(method: 'GET' | 'POST', url: string, payload?: object) {
  const answers = await Promise.all(
    providers.map(async provider => {
      const { statusCode, body } = await provider.inject({ method, url, ...(payload && { payload }) })
      return { status: statusCode, body: body.replaceAll(/"updated_at":"[^"]+"/g, '"updated_at":"?"') }
    }),
  )
  expect(answers[1], `${method} ${url}`).toEqual(answers[0])
  return { status: answers[0]?.status, json: JSON.parse(answers[0]?.body ?? 'null') }
}

async function given(state: string, params: object = {}, action = 'setup') {
  expect(await sameAnswer('POST', '/_pact/provider-states', { state, params, action })).toEqual({
    status: 200,
    json: {},
  })
}

async function sameCatalog() {
  await sameAnswer('GET', '/api/products?per_page=100')
  await sameAnswer('GET', '/api/categories')
  await sameAnswer('GET', '/api/brands')
}

it('a product exists, with what was asked for or with what both providers make up', async () => {
  await given('a product exists', { id: 17, sku: 'KIT-17', name: 'Teapot', price: '7.05' })
  await given('a product exists', { id: 18 })
  expect((await sameAnswer('GET', '/api/products/17')).json).toMatchObject({
    sku: 'KIT-17',
    name: { en: 'Teapot' },
    price: { amount: '7.05' },
  })
  await sameAnswer('GET', '/api/products/18')
  await sameCatalog()
})

it('no product with that id, also where there was one', async () => {
  await given('a product exists', { id: 17 })
  await given('no product with that id', { id: 17 })
  await given('no product with that id', { id: 99 })
  expect((await sameAnswer('GET', '/api/products/17')).status).toBe(404)
  expect((await sameAnswer('GET', '/api/products/99')).status).toBe(404)
})

it('products in a category exist, exactly as many', async () => {
  for (const count of [5, 3, 0]) {
    await given('products in a category exist', { slug: 'teapots', count })
    expect((await sameAnswer('GET', '/api/categories/teapots')).json.product_count).toBe(count)
    expect((await sameAnswer('GET', '/api/products?category=teapots')).json.total).toBe(count)
  }
})

it('categories and brands exist, also after the catalog was empty', async () => {
  await given('the catalog is empty')
  expect((await sameAnswer('GET', '/api/categories')).json).toEqual([])
  await given('categories exist')
  await given('brands exist')
  await given('brands exist', {}, 'teardown')
  expect((await sameAnswer('GET', '/api/categories')).json).toHaveLength(2)
  expect((await sameAnswer('GET', '/api/brands')).json).toHaveLength(1)
  await sameCatalog()
})

it.each([
  { state: 'the moon is full' },
  { state: 'a product exists', params: {} },
  { state: 'products in a category exist', params: { slug: 'x', count: -1 } },
  { state: 'brands exist', action: 'again' },
  {},
])('refuses alike: %j', async payload => {
  expect((await sameAnswer('POST', '/_pact/provider-states', payload)).status).toBeOneOf([400, 422])
})
