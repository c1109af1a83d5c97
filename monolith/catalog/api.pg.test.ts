import { createDatabase } from '@ficus/deploy/testing/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API_KEY, createBrowser, startShop, type TestShop } from '../testing/shop.ts'

let shop: TestShop
beforeAll(async () => {
  shop = await startShop(await createDatabase('shop'))
})
afterAll(() => shop[Symbol.asyncDispose]())

const get = async (url: string) => (await shop.app.inject({ method: 'GET', url })).json()
const write = (method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, payload?: object, key = API_KEY) =>
  shop.app.inject({ method, url, headers: { 'x-api-key': key }, ...(payload && { payload }) })

const teapot = {
  sku: 'TEST-1',
  name: { en: 'Blue Pot', de: 'Blaue Kanne', fr: 'Théière bleue' },
  description: { en: 'Holds a litre.', de: 'Fasst einen Liter.' },
  category: { slug: 'kitchen-teapots' },
  brand: { id: 3 },
  price: { amount: '19.9', currency: 'EUR', sale: '14.90' },
  attributes: { dishwasher_safe: true, depth: 1.5 },
  color: 'blue',
  size: '1 l',
  weight_g: 820,
  tags: ['tea', 'gift, wrapped', 'say "hi"'],
  images: [
    { url: '/images/teapots/blue/1-1.svg', alt: 'A pot' },
    { url: '/images/teapots/blue/1-2.svg', alt: null },
  ],
  active: true,
}

async function createTeapot(changes: object = {}): Promise<number> {
  const created = await write('POST', '/api/products', { ...teapot, sku: `T-${Math.random()}`, ...changes })
  expect(created.statusCode).toBe(201)
  return created.json().id
}

describe('reading', () => {
  it('shows a product with its keys in order, money as text and microseconds', async () => {
    const created = await write('POST', '/api/products', teapot)
    const { id } = created.json()
    const { body } = await shop.app.inject(`/api/products/${id}`)
    const [{ updated_at: updatedAt }] = await shop.db('products').where({ id }).select('updated_at')
    expect(body).toBe(
      JSON.stringify({
        id,
        sku: 'TEST-1',
        name: teapot.name,
        description: teapot.description,
        category: { id: 7, slug: 'kitchen-teapots', name: { en: 'Teapots', de: 'Teekannen' } },
        brand: { id: 3, name: 'Casa Lúcia' },
        price: { amount: '19.90', currency: 'EUR', sale: '14.90' },
        attributes: { depth: 1.5, dishwasher_safe: true },
        color: 'blue',
        size: '1 l',
        weight_g: 820,
        tags: teapot.tags,
        images: teapot.images,
        active: true,
        updated_at: updatedAt,
      }),
    )
    expect(updatedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    await write('DELETE', `/api/products/${id}`)
  })

  it('pages through all visible products once', async () => {
    const { total } = await get('/api/products?per_page=1')
    const visible = await shop.db('products').where({ active: true, deleted_at: null }).count('* as n')
    expect(String(total)).toBe(visible[0]?.n)

    const ids: number[] = []
    for (let page = 1; ids.length < total; page++) {
      const { items } = await get(`/api/products?per_page=60&page=${page}`)
      expect(items.length).toBeGreaterThan(0)
      ids.push(...items.map((item: { id: number }) => item.id))
    }
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
    expect(ids).toHaveLength(total)
    expect(await get('/api/products?page=1000')).toEqual({ items: [], page: 1000, per_page: 20, total })
  })

  it('lists whole products, the same as one by one', async () => {
    const { items } = await get('/api/products?per_page=3&sort=name')
    for (const item of items) expect(item).toEqual(await get(`/api/products/${item.id}`))
  })

  it.each([
    ['category=kitchen-teapots', (item: Item) => item.category.slug === 'kitchen-teapots'],
    ['brand=3', (item: Item) => item.brand?.id === 3],
    ['tag=made+in+EU', (item: Item) => item.tags.includes('made in EU')],
    ['q=OAK', (item: Item) => item.name.en.includes('Oak')],
  ])('filters by %s', async (query, matches) => {
    const all = [
      ...(await get('/api/products?per_page=100')).items,
      ...(await get('/api/products?per_page=100&page=2')).items,
    ]
    const { items, total } = await get(`/api/products?per_page=100&${query}`)
    expect(items).toEqual(all.filter(matches))
    expect(total).toBe(items.length)
    expect(total).toBeGreaterThan(0)
  })

  it('wants every word of q, and takes signs literally', async () => {
    const id = await createTeapot({ name: { en: 'Zigzag 100% Pot' }, tags: ['ümlaut'] })
    for (const q of ['pot zigzag', 'ZIG 100%', 'ümlaut']) {
      expect((await get(`/api/products?${new URLSearchParams({ q })}`)).items.map((item: Item) => item.id)).toEqual([
        id,
      ])
    }
    for (const q of ['zigzag unicorn', 'zig%pot', 'z_gzag']) {
      expect(await get(`/api/products?${new URLSearchParams({ q })}`)).toMatchObject({ items: [], total: 0 })
    }
    await write('DELETE', `/api/products/${id}`)
  })

  it.each([
    ['price', (a: Item, b: Item) => Number(a.price.amount) - Number(b.price.amount) || a.id - b.id],
    ['-price', (a: Item, b: Item) => Number(b.price.amount) - Number(a.price.amount) || a.id - b.id],
    ['name', (a: Item, b: Item) => Buffer.compare(nameKey(a), nameKey(b)) || a.id - b.id],
  ])('sorts by %s, equals by id', async (sort, compare) => {
    const { items } = await get(`/api/products?per_page=100&sort=${sort}`)
    expect(items).toHaveLength(100)
    expect(items.map((item: Item) => item.id)).toEqual(items.toSorted(compare).map((item: Item) => item.id))
  })

  it('answers 422 with each parameter that is malformed', async () => {
    const response = await shop.app.inject('/api/products?page=0&per_page=101&sort=best')
    expect(response.statusCode).toBe(422)
    expect(response.json()).toMatchObject({
      error: 'validation',
      fields: { page: expect.any(String), per_page: expect.any(String), sort: expect.any(String) },
    })
  })

  it.each(['999999', '0', '-1', '1e3', 'abc', '99999999999999', '1%00', "1'or'1"])(
    'answers 404 for product %s',
    async id => {
      const response = await shop.app.inject(`/api/products/${id}`)
      expect(response.statusCode).toBe(404)
      expect(response.json()).toEqual({ error: 'not_found', message: expect.any(String) })
    },
  )

  it('hides what is inactive or deleted', async () => {
    const hidden = await createTeapot({ active: false })
    const deleted = await createTeapot()
    expect((await write('DELETE', `/api/products/${deleted}`)).statusCode).toBe(204)
    for (const id of [hidden, deleted]) {
      expect((await shop.app.inject(`/api/products/${id}`)).statusCode).toBe(404)
      const { items } = await get('/api/products?per_page=100&category=kitchen-teapots')
      expect(items.map((item: Item) => item.id)).not.toContain(id)
    }
  })

  it('lists categories as a tree that can be built, by position', async () => {
    const categories: { id: number; parent_id: number | null; position: number }[] = await get('/api/categories')
    expect(categories[0]).toEqual({
      id: 1,
      slug: 'kitchen',
      parent_id: null,
      name: { en: 'Kitchen', de: 'Küche', fr: 'Cuisine' },
      position: 10,
    })
    const ids = new Set(categories.map(({ id }) => id))
    for (const { parent_id } of categories) if (parent_id !== null) expect(ids).toContain(parent_id)
    expect(categories.map(({ position }) => position)).toEqual(
      categories.map(({ position }) => position).sort((a, b) => a - b),
    )
  })

  it('counts the visible products of a category', async () => {
    const { product_count } = await get('/api/categories/kitchen-teapots')
    expect(product_count).toBe((await get('/api/products?category=kitchen-teapots')).total)
    expect((await shop.app.inject('/api/categories/nowhere')).json()).toEqual({
      error: 'not_found',
      message: 'Category "nowhere" was not found',
    })
    expect((await shop.app.inject('/api/categories/%00')).statusCode).toBe(404)
  })

  it('lists brands by id', async () => {
    const brands = await get('/api/brands')
    expect(brands.slice(0, 1)).toEqual([
      { id: 1, name: 'Atelier Corbeau', country: 'FR', website: 'https://corbeau.example' },
    ])
  })
})

describe('writing', () => {
  it('wants the key or an administrator', async () => {
    const anonymous = await shop.app.inject({ method: 'POST', url: '/api/products', payload: teapot })
    expect([anonymous.statusCode, anonymous.json().error]).toEqual([401, 'unauthorized'])
    expect((await write('PATCH', '/api/products/1', {}, 'wrong')).statusCode).toBe(401)

    const customer = createBrowser(shop.app)
    await customer.logIn('ada@shop.example', 'shop')
    const refused = await customer.send({ method: 'DELETE', url: '/api/products/1' })
    expect([refused.statusCode, refused.json().error]).toEqual([403, 'forbidden'])

    const admin = createBrowser(shop.app)
    await admin.logIn('admin@shop.example', 'admin')
    const id = await createTeapot()
    expect((await admin.send({ method: 'DELETE', url: `/api/products/${id}` })).statusCode).toBe(204)
  })

  it('takes back what GET gave', async () => {
    const id = await createTeapot()
    const before = await get(`/api/products/${id}`)
    const put = await write('PUT', `/api/products/${id}`, before)
    expect([put.statusCode, put.json()]).toEqual([200, before])
  })

  it('replaces with PUT: what is left out falls back to its default', async () => {
    const id = await createTeapot()
    const { sku } = await get(`/api/products/${id}`)
    const put = await write('PUT', `/api/products/${id}`, {
      sku,
      name: { en: 'Plain' },
      category: { id: 8 },
      price: { amount: '1.00' },
    })
    expect(put.json()).toMatchObject({
      name: { en: 'Plain' },
      description: { en: '' },
      category: { id: 8 },
      brand: null,
      price: { amount: '1.00', currency: 'EUR', sale: null },
      attributes: {},
      tags: [],
      images: [],
      color: null,
    })
  })

  it('changes with PATCH only what is named, and writes no other column', async () => {
    const id = await createTeapot()
    const before = await get(`/api/products/${id}`)
    const patched = await write('PATCH', `/api/products/${id}`, { price: { amount: '21.00' }, name: { fr: null } })
    const { fr: _, ...name } = before.name
    expect(patched.json()).toEqual({
      ...before,
      name,
      price: { ...before.price, amount: '21.00' },
      updated_at: expect.any(String),
    })
    expect(patched.json().updated_at > before.updated_at).toBe(true)
    const logged = await shop.db('audit_log').where({ entity: 'product', entity_id: String(id), action: 'update' })
    expect(logged).toMatchObject([{ actor: 'api-key', details: { columns: ['name_fr', 'price'] } }])
  })

  it('leaves a row alone that a PATCH does not change', async () => {
    const id = await createTeapot()
    const before = await get(`/api/products/${id}`)
    expect((await write('PATCH', `/api/products/${id}`, { color: 'blue', price: { amount: '19.90' } })).json()).toEqual(
      before,
    )
  })

  it('counts new pictures as a change of the product', async () => {
    const id = await createTeapot()
    const before = await get(`/api/products/${id}`)
    const images = [{ url: '/b.svg', alt: null }]
    const after = (await write('PATCH', `/api/products/${id}`, { images })).json()
    expect(after.images).toEqual(images)
    expect(after.updated_at > before.updated_at).toBe(true)
  })

  it('answers 422 with the fields that are wrong', async () => {
    const id = await createTeapot()
    const { sku } = await get(`/api/products/${await createTeapot()}`)
    for (const [body, fields] of [
      [{ sku }, { sku: 'is already in use' }],
      [{ category: { slug: 'nowhere' } }, { category: 'does not exist' }],
      [{ brand: { id: 999 } }, { brand: 'does not exist' }],
      [{ price: { amount: 'x' } }, { 'price.amount': expect.any(String) }],
    ] as const) {
      const response = await write('PATCH', `/api/products/${id}`, body)
      expect([response.statusCode, response.json()]).toEqual([
        422,
        { error: 'validation', message: expect.any(String), fields },
      ])
    }
    expect((await write('POST', '/api/products', {})).json().fields).toHaveProperty('sku')
  })

  it('answers 400 for a body that is not JSON', async () => {
    const response = await shop.app.inject({
      method: 'POST',
      url: '/api/products',
      headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
      payload: '{"sku":',
    })
    expect([response.statusCode, response.json().error]).toEqual([400, 'bad_request'])
  })

  it('answers 404 for what is not there or deleted', async () => {
    const id = await createTeapot()
    await write('DELETE', `/api/products/${id}`)
    for (const path of [`/api/products/${id}`, '/api/products/999999', '/api/products/x']) {
      expect((await write('PATCH', path, { color: 'red' })).statusCode).toBe(404)
      expect((await write('DELETE', path)).statusCode).toBe(404)
    }
    expect((await write('PUT', `/api/products/${id}`, teapot)).statusCode).toBe(404)
  })

  it('keeps the row of a deleted product, with its orders', async () => {
    const id = await createTeapot()
    await write('DELETE', `/api/products/${id}`)
    expect(await shop.db('products').where({ id }).first()).toMatchObject({ deleted_at: expect.any(String) })
  })
})

it('lets a trigger maintain what the search looks at', async () => {
  const id = await createTeapot({ sku: 'SEARCH-1' })
  const searchText = async () => (await shop.db('products').where({ id }).first('search_text')).search_text
  expect(await searchText()).toBe('search-1 blue pot blaue kanne théière bleue tea gift, wrapped say "hi"')
  await shop.db('products').where({ id }).update({ name_en: 'Red Pot' })
  expect(await searchText()).toContain('red pot')
})

it('tells whether it is up and whether its database answers', async () => {
  expect(await get('/health')).toEqual({ status: 'ok', version: '1.2.3' })
  expect(await get('/ready')).toEqual({ status: 'ready' })
})

interface Item {
  readonly id: number
  readonly name: { readonly en: string }
  readonly category: { readonly slug: string }
  readonly brand: { readonly id: number } | null
  readonly tags: readonly string[]
  readonly price: { readonly amount: string }
}

function nameKey(item: Item): Buffer {
  return Buffer.from(item.name.en.toLowerCase())
}
