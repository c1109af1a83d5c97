import { createDatabase } from '@ficus/deploy/testing/postgres'
import { createApp as createShop } from '@shop/monolith/app'
import { openDatabase as openShop } from '@shop/monolith/database/connection'
import { migrate as migrateShop } from '@shop/monolith/database/migrate'
import { seed } from '@shop/monolith/generator/seed'
import fc from 'fast-check'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createApp } from './app.ts'
import { openDatabase } from './database/connection.ts'
import { migrate } from './database/migrate.ts'
import { copyForward, copyReverse, differingRows, type TwoSides } from './testing/mapped-copy.ts'
import { insertOddRows, oddCategory, oddProduct } from './testing/odd-rows.ts'

const PRODUCTS = 500
const KEY = 'the key of the test'

const resources = new AsyncDisposableStack()
let sides: TwoSides
let control: FastifyInstance
let candidate: FastifyInstance

beforeAll(async () => {
  const shop = openShop(resources.use(await createDatabase('shop')).url)
  const catalog = openDatabase(resources.use(await createDatabase('catalog')).url)
  resources.defer(() => shop.destroy())
  resources.defer(() => catalog.destroy())
  sides = { shop, catalog }
  await migrateShop(shop)
  await migrate(catalog)
  await seed(shop, { products: PRODUCTS, orders: 0 })
  const [category] = fc.sample(oddCategory, { numRuns: 1, seed: 1 })
  if (category) await insertOddRows(shop, 'odd', category, fc.sample(oddProduct, { numRuns: 100, seed: 1 }))
  await copyForward(sides)
  control = createShop({ db: shop, adminApiKey: KEY, version: 'test' })
  candidate = createApp({ db: catalog, adminApiKey: KEY, version: 'test' })
  resources.defer(() => control.close())
  resources.defer(() => candidate.close())
})

afterAll(() => resources.disposeAsync())

async function answer(app: FastifyInstance, request: InjectOptions) {
  const { statusCode, headers, body } = await app.inject(request)
  return { status: statusCode, type: headers['content-type'], location: headers.location, body }
}

/** Sends the request to both and demands the same answer, byte by byte. Returns it. */
async function sameAnswer(request: InjectOptions | string) {
  const options = typeof request === 'string' ? { url: request } : request
  const [expected, actual] = await Promise.all([answer(control, options), answer(candidate, options)])
  expect(actual, `${options.method ?? 'GET'} ${options.url}`).toEqual(expected)
  return expected
}

describe('reads', () => {
  it('answers every product alike, also those that nobody may see', async () => {
    const statuses = { 200: 0, 404: 0 }
    for (let id = 1; id <= PRODUCTS + 105; id++) {
      const { status } = await sameAnswer(`/api/products/${id}`)
      if (status === 200 || status === 404) statuses[status]++
    }
    expect(statuses[200] + statuses[404]).toBe(PRODUCTS + 105)
    expect(statuses[404]).toBeGreaterThan(5)
  })

  it.each(['id', 'price', '-price', 'name'])('pages through all products sorted by %s', async sort => {
    let seen = 0
    for (let page = 1; ; page++) {
      const { body } = await sameAnswer(`/api/products?sort=${sort}&per_page=37&page=${page}`)
      const { items, total } = JSON.parse(body)
      seen += items.length
      if (items.length === 0) {
        expect(seen).toBe(total)
        return
      }
    }
  })

  it('answers every category alike, alone and as a filter', async () => {
    const { body } = await sameAnswer('/api/categories')
    const slugs: string[] = JSON.parse(body).map((category: { slug: string }) => category.slug)
    expect(slugs.length).toBeGreaterThan(10)
    for (const slug of slugs) {
      await sameAnswer(`/api/categories/${encodeURIComponent(slug)}`)
      await sameAnswer(`/api/products?category=${encodeURIComponent(slug)}&per_page=100`)
    }
  })

  it('answers every brand alike, alone and as a filter', async () => {
    const { body } = await sameAnswer('/api/brands')
    const ids: number[] = JSON.parse(body).map((brand: { id: number }) => brand.id)
    expect(ids.length).toBeGreaterThan(5)
    for (const id of ids) await sameAnswer(`/api/products?brand=${id}&per_page=100&sort=-price`)
  })

  it('finds the same by words and tags', async () => {
    const words = [
      'TEA',
      'kettle',
      'Österreich',
      'ß',
      '%',
      '_',
      '\\',
      "'",
      '"x"',
      'blue  cup',
      'gift tea',
      '茶壺',
      ' ',
      'nothing-at-all',
    ]
    for (const word of words) await sameAnswer(`/api/products?q=${encodeURIComponent(word)}&per_page=100&sort=name`)
    const { rows } = await sides.shop.raw('select distinct unnest(tags) as tag from products')
    expect(rows.length).toBeGreaterThan(5)
    for (const { tag } of rows) if (tag !== null) await sameAnswer(`/api/products?tag=${encodeURIComponent(tag)}`)
    const { body } = await sameAnswer('/api/products?q=a&category=kitchen-teapots&sort=price&per_page=5')
    expect(JSON.parse(body)).toHaveProperty('total')
  })

  it.each([
    '/api/products?page=0',
    '/api/products?page=two&per_page=101&sort=random&brand=-1',
    '/api/products?brand=2147483648',
    '/api/products?sort=name&sort=price',
    '/api/products?q=%00',
    '/api/products?page=1000000',
    '/api/products?category=&brand=&tag=',
    '/api/products?category=no-such',
    '/api/products/0',
    '/api/products/007',
    '/api/products/99999999',
    '/api/products/2147483648',
    '/api/products/abc',
    '/api/products/1/more',
    '/api/products/%00',
    '/api/products/%zz',
    '/api/categories/no-such',
    '/api/categories/%00',
    '/api/categories/%22%3Cb%3E',
    '/api/brands/1',
  ])('refuses alike: %s', async url => {
    await sameAnswer(url)
  })

  it('answers HEAD alike', async () => {
    await sameAnswer({ method: 'HEAD', url: '/api/products/1' })
    await sameAnswer({ method: 'HEAD', url: '/api/products?q=tea' })
  })
})

describe('writes', () => {
  const headers = { 'x-api-key': KEY }
  const cup = {
    sku: 'NEW-1',
    name: { en: ' Cup "No. 1" ', de: 'Tasse', fr: '' },
    description: { en: '', de: null },
    category: { slug: 'kitchen-teapots' },
    brand: { id: 1 },
    price: { amount: '0012.5', sale: '9' },
    attributes: { nested: { list: [1, 'two', null], none: null }, '': 'empty key' },
    tags: ['gift', 'odd "tag"'],
    images: [{ url: '/a.svg', alt: 'A' }, { url: '/b.svg' }],
    weight_g: 0,
  }

  /** The same write on both; `updated_at` is each side's own clock, so it is only looked at. */
  async function sameWrite(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, payload?: object | string) {
    const request: InjectOptions = { method, url, headers: { ...headers }, ...(payload !== undefined && { payload }) }
    if (typeof payload === 'string') request.headers = { ...headers, 'content-type': 'application/json' }
    const [expected, actual] = await Promise.all([answer(control, request), answer(candidate, request)])
    expect(withoutClock(actual), `${method} ${url}`).toEqual(withoutClock(expected))
    return expected.body === '' ? null : JSON.parse(expected.body)
  }

  function withoutClock({ body, ...rest }: { body: string }) {
    return { ...rest, body: body.replace(/"updated_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"/, '') }
  }

  it('creates, changes and archives alike, and both sides hold the same rows after', async () => {
    const { id } = await sameWrite('POST', '/api/products', cup)
    await sameWrite('POST', '/api/products', { ...cup, sku: 'NEW-2', brand: null, active: false, images: [] })
    await sameWrite('PATCH', `/api/products/${id}`, { price: { amount: '10.01' } })
    await sameWrite('PATCH', `/api/products/${id}`, { name: { de: null, fr: 'Tasse' }, color: 'blau', size: '' })
    await sameWrite('PATCH', `/api/products/${id}`, { images: [{ url: '/c.svg' }], active: false })
    await sameWrite('PATCH', `/api/products/${id}`, { active: true, tags: [], weight_g: null })
    await sameWrite('PUT', `/api/products/${id}`, { ...cup, sku: 'NEW-3', brand: null, tax_class: 'reduced' })
    await sameWrite('PUT', '/api/products/2', {
      sku: 'KIT-2',
      name: { en: 'Bare' },
      category: { id: 12 },
      price: { amount: '0' },
    })
    for (const product of [3, 4, 5, 501, 510, 520, 530]) {
      await sameWrite('PATCH', `/api/products/${product}`, { price: { sale: '1.00', currency: 'CHF' }, color: null })
      await sameWrite('PATCH', `/api/products/${product}`, { description: { de: 'Neu' }, attributes: {} })
    }
    await sameWrite('DELETE', '/api/products/3')
    await sameWrite('DELETE', '/api/products/3')
    await sameWrite('PATCH', '/api/products/3', { color: 'red' })

    await copyReverse(sides)
    expect(await differingRows(await withoutClocks())).toEqual([])
  })

  /** Each side wrote by its own clock; that something is deleted has to be the same still. */
  async function withoutClocks() {
    const transaction = await sides.shop.transaction()
    onTestFinished(() => void transaction.rollback())
    for (const schema of ['public', 'returned']) {
      await transaction.raw(`
        alter table ${schema}.products disable trigger user;
        update ${schema}.products
        set created_at = 'epoch', updated_at = 'epoch', deleted_at = case when deleted_at is not null then 'epoch'::timestamptz end
      `)
    }
    return transaction
  }

  it('leaves a product alone that a write does not change', async () => {
    const before = await sameAnswer('/api/products/7')
    await sameWrite('PATCH', '/api/products/7', JSON.parse(before.body))
    await sameWrite('PATCH', '/api/products/7', {})
    expect(await sameAnswer('/api/products/7')).toEqual(before)
  })

  it.each<[string, object | string]>([
    ['nothing', {}],
    ['a list', []],
    ['broken JSON', '{"sku":'],
    ['JSON null', 'null'],
    ['an empty body', ''],
    ['wrong types', { sku: 1, name: 'x', price: 12.5, brand: 3, tags: 'a', images: [{}], active: 1, attributes: [] }],
    ['wrong values', { ...cup, sku: ' ', weight_g: 1.5, price: { amount: '-1', currency: 'eur' }, tax_class: 'none' }],
    ['too much', { ...cup, sku: 'x'.repeat(65), tags: Array(51).fill('t'), weight_g: 3e9 }],
    ['what PostgreSQL cannot hold', { ...cup, sku: 'a\0b', attributes: { 'k\0': 1 } }],
    ['a category and a brand that do not exist', { ...cup, category: { slug: 'none' }, brand: { id: 9999 } }],
    ['neither id nor slug', { ...cup, category: {} }],
    ['a SKU that is taken', { ...cup, sku: "odd'1\\" }],
    ['__proto__', '{"__proto__": {"x": 1}}'],
  ])('refuses alike: %s', async (_what, payload) => {
    await sameWrite('POST', '/api/products', payload)
    await sameWrite('PUT', '/api/products/9', payload)
    await sameWrite('PUT', '/api/products/none', payload)
    await sameWrite('PATCH', '/api/products/99999', payload)
  })

  it('refuses alike who brings no key or a wrong one', async () => {
    for (const given of [{}, { 'x-api-key': '' }, { 'x-api-key': 'guess' }]) {
      await sameAnswer({ method: 'POST', url: '/api/products', headers: given, payload: cup })
      await sameAnswer({ method: 'PATCH', url: '/api/products/1', headers: given, payload: {} })
      await sameAnswer({ method: 'DELETE', url: '/api/products/none', headers: given })
    }
  })
})
