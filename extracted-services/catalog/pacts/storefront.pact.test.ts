import { mkdtempSync } from 'node:fs'
import { copyFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MatchersV3, PactV4 } from '@pact-foundation/pact'
import { afterAll, beforeEach, expect, it, type RunnerTask } from 'vitest'
import { StorefrontClient } from './storefront-client.ts'

const { boolean, eachLike, integer, like, regex } = MatchersV3

const PACT = 'storefront-shop.json'
const committed = fileURLToPath(new URL(PACT, import.meta.url))
/** Pact adds to a file that is there, one interaction at a time: it gets an empty folder. */
const folder = mkdtempSync(join(tmpdir(), 'storefront-pact-'))
/** The key that both providers take unless they are told another one. */
const API_KEY = 'dev-admin-key'

process.env.PACT_DO_NOT_TRACK = 'true'

let tests: readonly RunnerTask[] = []
beforeEach(({ task }) => {
  tests = task.file.tasks
})

// Whoever reads the pact meanwhile finds all of the old one or all of the new one. A run of only some tests has but a
// part of it, and leaves it alone.
afterAll(async () => {
  if (tests.length > 0 && tests.every(({ result }) => result?.state === 'pass')) {
    const unfinished = `${committed}.${process.pid}`
    await copyFile(join(folder, PACT), unfinished)
    await rename(unfinished, committed)
  }
  await rm(folder, { recursive: true, force: true })
})

const pact = new PactV4({
  consumer: 'storefront',
  provider: 'shop',
  dir: folder,
  host: '127.0.0.1',
  port: 0,
  logLevel: 'error',
})

const money = (example: string) => regex(/^\d+\.\d{2}$/, example)
const currency = regex(/^[A-Z]{3}$/, 'EUR')
const microseconds = regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, '2026-01-02T03:04:05.123456Z')

/** A product of whatever kind, as far as the storefront reads it. */
const anyProduct = {
  id: integer(17),
  sku: like('KIT-00017'),
  name: { en: like('Teapot') },
  price: { amount: money('19.90'), currency },
  active: boolean(true),
  updated_at: microseconds,
}

const teapot = { id: 17, sku: 'KIT-00017', name: 'Teapot', price: '19.90' }

it('lists the products of a category, the cheapest first', () =>
  pact
    .addInteraction()
    .given('products in a category exist', { slug: 'teapots', count: 3 })
    .uponReceiving('the first two products of a category by price')
    .withRequest('GET', '/api/products', request =>
      request.query({ category: 'teapots', sort: 'price', per_page: '2' }).headers({ accept: 'application/json' }),
    )
    .willRespondWith(200, response =>
      response.jsonBody({
        items: eachLike({ ...anyProduct, category: { id: integer(5), slug: 'teapots' } }, 2),
        page: 1,
        per_page: 2,
        total: 3,
      }),
    )
    .executeTest(async ({ url }) => {
      const list = await new StorefrontClient(url).products({ category: 'teapots', sort: 'price', per_page: 2 })
      expect(list.items.map(product => product.category.slug)).toEqual(['teapots', 'teapots'])
      expect(list.total).toBe(3)
    }))

it('shows one product', () =>
  pact
    .addInteraction()
    .given('a product exists', teapot)
    .uponReceiving('a product')
    .withRequest('GET', '/api/products/17', request => request.headers({ accept: 'application/json' }))
    .willRespondWith(200, response =>
      response.jsonBody({
        ...anyProduct,
        id: 17,
        sku: 'KIT-00017',
        name: { en: 'Teapot' },
        price: { amount: '19.90', currency },
        active: true,
      }),
    )
    .executeTest(async ({ url }) => {
      const product = await new StorefrontClient(url).product(17)
      expect(product).toMatchObject({ id: 17, name: { en: 'Teapot' }, price: { amount: '19.90' } })
    }))

it('says that a product is not there', () =>
  pact
    .addInteraction()
    .given('no product with that id', { id: 999 })
    .uponReceiving('a product that is not there')
    .withRequest('GET', '/api/products/999', request => request.headers({ accept: 'application/json' }))
    .willRespondWith(404, response =>
      response.jsonBody({ error: 'not_found', message: like('Product 999 was not found') }),
    )
    .executeTest(async ({ url }) => {
      await expect(new StorefrontClient(url).product(999)).rejects.toMatchObject({ status: 404, code: 'not_found' })
    }))

it('shows all categories', () =>
  pact
    .addInteraction()
    .given('categories exist')
    .uponReceiving('all categories')
    .withRequest('GET', '/api/categories', request => request.headers({ accept: 'application/json' }))
    .willRespondWith(200, response =>
      response.jsonBody(
        eachLike({ id: integer(5), slug: like('teapots'), name: { en: like('Teapots') }, position: integer(10) }),
      ),
    )
    .executeTest(async ({ url }) => {
      const [category] = await new StorefrontClient(url).categories()
      expect(category).toMatchObject({ id: 5, slug: 'teapots', name: { en: 'Teapots' }, position: 10 })
    }))

it('shows one category with the number of its products', () =>
  pact
    .addInteraction()
    .given('products in a category exist', { slug: 'teapots', count: 3 })
    .uponReceiving('a category')
    .withRequest('GET', '/api/categories/teapots', request => request.headers({ accept: 'application/json' }))
    .willRespondWith(200, response =>
      response.jsonBody({ id: integer(5), slug: 'teapots', name: { en: like('Teapots') }, product_count: 3 }),
    )
    .executeTest(async ({ url }) => {
      expect(await new StorefrontClient(url).category('teapots')).toMatchObject({ slug: 'teapots', product_count: 3 })
    }))

it('says that a category is not there', () =>
  pact
    .addInteraction()
    .given('the catalog is empty')
    .uponReceiving('a category that is not there')
    .withRequest('GET', '/api/categories/teapots', request => request.headers({ accept: 'application/json' }))
    .willRespondWith(404, response => response.jsonBody({ error: 'not_found', message: like('It was not found') }))
    .executeTest(async ({ url }) => {
      await expect(new StorefrontClient(url).category('teapots')).rejects.toMatchObject({ status: 404 })
    }))

it('shows all brands', () =>
  pact
    .addInteraction()
    .given('brands exist')
    .uponReceiving('all brands')
    .withRequest('GET', '/api/brands', request => request.headers({ accept: 'application/json' }))
    .willRespondWith(200, response => response.jsonBody(eachLike({ id: integer(3), name: like('Nordlys') })))
    .executeTest(async ({ url }) => {
      expect(await new StorefrontClient(url).brands()).toMatchObject([{ id: 3, name: 'Nordlys' }])
    }))

const headers = { accept: 'application/json', 'x-api-key': API_KEY }

it('changes a price', () =>
  pact
    .addInteraction()
    .given('a product exists', teapot)
    .uponReceiving('another price for a product')
    .withRequest('PATCH', '/api/products/17', request =>
      request.headers(headers).jsonBody({ price: { amount: '24.50' } }),
    )
    .willRespondWith(200, response =>
      response.jsonBody({ ...anyProduct, id: 17, name: { en: 'Teapot' }, price: { amount: '24.50', currency } }),
    )
    .executeTest(async ({ url }) => {
      const product = await new StorefrontClient(url, API_KEY).changePrice(17, '24.50')
      expect(product.price.amount).toBe('24.50')
    }))

it('learns which field is wrong', () =>
  pact
    .addInteraction()
    .given('a product exists', teapot)
    .uponReceiving('a price that is none')
    .withRequest('PATCH', '/api/products/17', request =>
      request.headers(headers).jsonBody({ price: { amount: 'cheap' } }),
    )
    .willRespondWith(422, response =>
      response.jsonBody({
        error: 'validation',
        message: like('price.amount must be an amount'),
        fields: { 'price.amount': like('must be an amount') },
      }),
    )
    .executeTest(async ({ url }) => {
      await expect(new StorefrontClient(url, API_KEY).changePrice(17, 'cheap')).rejects.toMatchObject({
        status: 422,
        fields: { 'price.amount': expect.any(String) },
      })
    }))

it('may not write without the key', () =>
  pact
    .addInteraction()
    .given('a product exists', teapot)
    .uponReceiving('another price from somebody without the key')
    .withRequest('PATCH', '/api/products/17', request =>
      request.headers({ accept: 'application/json' }).jsonBody({ price: { amount: '0.01' } }),
    )
    .willRespondWith(401, response => response.jsonBody({ error: 'unauthorized', message: like('Log in first') }))
    .executeTest(async ({ url }) => {
      await expect(new StorefrontClient(url).changePrice(17, '0.01')).rejects.toMatchObject({ status: 401 })
    }))
