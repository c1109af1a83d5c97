import { createDatabase } from '@ficus/deploy/testing/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBrowser, startShop, type TestShop } from './shop.ts'

let shop: TestShop
let products: readonly { id: number; name_en: string; price: string }[]

beforeAll(async () => {
  shop = await startShop(await createDatabase('shop'))
  products = await shop
    .db('products')
    .join('stock_levels', 'product_id', 'id')
    .where({ active: true, deleted_at: null, sale_price: null })
    .where('on_hand', '>', 10)
    .orderBy('id')
    .limit(2)
    .select('id', 'name_en', 'price')
})
afterAll(() => shop[Symbol.asyncDispose]())

const onHand = async (id: number) => (await shop.app.inject(`/api/stock/${id}`)).json().on_hand
const some = (index: number) => products[index] ?? expect.fail('the generator made no such product')
const address = { recipient: 'Ada Larsen', street: 'Mill Lane 1', postcode: '10115', city: 'Berlin', country: 'DE' }

describe('a visit in HTML', () => {
  it('goes from the front page to an order and to a review', async () => {
    const browser = createBrowser(shop.app)
    const { id, name_en: name } = some(0)
    const before = await onHand(id)

    for (const path of [
      '/',
      '/c/kitchen',
      '/c/kitchen-teapots?sort=price',
      `/search?q=${encodeURIComponent(name)}`,
      '/login',
      '/cart',
    ]) {
      const page = await browser.get(path)
      expect([path, page.statusCode, page.headers['content-type']]).toEqual([path, 200, 'text/html; charset=utf-8'])
    }
    const productPage = await browser.get(`/p/${id}`)
    expect(productPage.body).toContain(name)
    expect(productPage.body).toContain('Add to cart')

    const added = await browser.post('/cart/items', { product_id: String(id), quantity: '2' })
    expect([added.statusCode, added.headers.location]).toEqual([303, '/cart'])
    expect((await browser.get('/cart')).body).toContain(name)

    const sentAway = await browser.get('/checkout')
    expect([sentAway.statusCode, sentAway.headers.location]).toEqual([303, '/login?next=%2Fcheckout'])
    const anonymous = { ...browser.cookies }
    const loggedIn = await browser.post('/login', { email: 'ADA@shop.example', password: 'shop', next: '/checkout' })
    expect([loggedIn.statusCode, loggedIn.headers.location]).toEqual([303, '/checkout'])
    // The cart moved along to a new token; the old one is worth nothing.
    expect(browser.cookies).not.toEqual(anonymous)
    expect((await shop.app.inject({ url: '/api/cart', cookies: anonymous })).json().items).toEqual([])

    const checkout = await browser.get('/checkout')
    expect(checkout.body).toContain('Place the order')
    const placed = await browser.post('/checkout', { ...address, payment_method: 'card', note: 'Ring <twice>' })
    expect(placed.statusCode).toBe(303)
    const order = await browser.get(String(placed.headers.location))
    expect(order.body).toContain('Thank you!')
    expect(order.body).toContain('Ring &lt;twice&gt;')
    expect(await onHand(id)).toBe(before - 2)
    expect((await browser.get('/cart')).body).toContain('Your cart is empty')

    const reviewed = await browser.post(`/p/${id}/reviews`, { rating: '4', title: 'Good', body: 'Holds water.' })
    expect(reviewed.statusCode).toBe(303)
    expect((await browser.get(`/p/${id}`)).body).toContain('Holds water.')

    const loggedOut = await browser.post('/logout')
    expect(loggedOut.headers.location).toBe('/')
    expect((await browser.get('/orders')).headers.location).toBe('/login?next=%2Forders')
  })

  it('says what is wrong where it is wrong', async () => {
    const browser = createBrowser(shop.app)
    const wrong = await browser.post('/login', { email: 'ada@shop.example', password: 'guess' })
    expect([wrong.statusCode, wrong.body.includes('The e-mail address or the password is wrong')]).toEqual([401, true])
    const taken = await browser.post('/register', { email: 'Ada@shop.example', name: 'A', password: 'long enough' })
    expect([taken.statusCode, taken.body.includes('already has an account')]).toEqual([422, true])

    await browser.post('/cart/items', { product_id: String(some(0).id) })
    const coupon = await browser.post('/cart/coupon', { code: 'nope' })
    expect([coupon.statusCode, coupon.body.includes('is not a valid coupon')]).toEqual([422, true])
    await browser.logIn('ada@shop.example', 'shop')
    const checkout = await browser.post('/checkout', { ...address, city: '', payment_method: 'card' })
    expect([checkout.statusCode, checkout.body.includes('must not be empty')]).toEqual([422, true])

    const missing = await browser.get('/p/999999')
    expect([missing.statusCode, missing.headers['content-type']]).toEqual([404, 'text/html; charset=utf-8'])
    expect((await browser.get('/admin')).statusCode).toBe(403)
    expect((await browser.post('/cart/items')).statusCode).toBe(422)
  })

  it('lets someone new make an account', async () => {
    const browser = createBrowser(shop.app)
    const made = await browser.post('/register', { email: 'new@mail.example', name: 'Nova', password: 'a password' })
    expect([made.statusCode, made.headers.location]).toEqual([303, '/'])
    expect((await browser.get('/')).body).toContain('Nova')
    expect((await createBrowser(shop.app).logIn('new@mail.example', 'a password')).json()).toMatchObject({
      name: 'Nova',
    })
  })
})

describe('the JSON API', () => {
  it('keeps a cart for a visitor', async () => {
    const browser = createBrowser(shop.app)
    const [first, second] = [some(0), some(1)]
    expect((await browser.get('/api/cart')).json()).toMatchObject({ items: [], total: '0.00', currency: 'EUR' })
    const add = (payload: object) => browser.send({ method: 'POST', url: '/api/cart/items', payload })
    await add({ product_id: first.id, quantity: 2 })
    await add({ product_id: second.id })
    const cart = (await add({ product_id: first.id })).json()
    expect(
      cart.items.map((item: { product_id: number; quantity: number }) => [item.product_id, item.quantity]),
    ).toEqual([
      [first.id, 3],
      [second.id, 1],
    ])
    const cents = Math.round(Number(first.price) * 300) + Math.round(Number(second.price) * 100)
    expect(cart.subtotal).toBe((cents / 100).toFixed(2))

    const put = (productId: number, quantity: unknown) =>
      browser.send({ method: 'PUT', url: `/api/cart/items/${productId}`, payload: { quantity } })
    expect((await put(first.id, 0)).json().items).toHaveLength(1)
    expect((await put(first.id, 1)).statusCode).toBe(404)
    expect((await put(second.id, 100)).json().fields).toEqual({ quantity: 'must be at most 99' })
    expect((await add({ product_id: 999_999 })).statusCode).toBe(404)
    expect((await add({ product_id: 'x' })).json().fields).toEqual({ product_id: 'must be a whole number' })

    const coupon = (code: string) => browser.send({ method: 'PUT', url: '/api/cart/coupon', payload: { code } })
    const discounted = (await coupon('welcome10')).json()
    expect(discounted.coupon).toMatchObject({ code: 'WELCOME10', percent: 10 })
    expect(Number(discounted.discount)).toBeCloseTo(Number(second.price) / 10, 1)
    expect((await coupon('nope')).statusCode).toBe(422)
  })

  it('takes an order, shows it, and cancels it', async () => {
    const browser = createBrowser(shop.app)
    const { id } = some(1)
    const before = await onHand(id)
    const checkout = (payload: object = { address, payment_method: 'invoice' }) =>
      browser.send({ method: 'POST', url: '/api/checkout', payload })
    expect((await checkout()).statusCode).toBe(401)
    await browser.logIn('ada@shop.example', 'shop')
    expect((await checkout()).json()).toMatchObject({ error: 'validation', fields: { cart: 'is empty' } })
    await browser.send({ method: 'POST', url: '/api/cart/items', payload: { product_id: id, quantity: 3 } })
    expect((await checkout({ payment_method: 'gold' })).json().fields).toHaveProperty('payment_method')

    const placed = await checkout()
    expect(placed.statusCode).toBe(201)
    const order = placed.json()
    expect(order).toMatchObject({ status: 'pending', items: [{ line_no: 1, product_id: id, quantity: 3 }] })
    expect((await browser.get(String(placed.headers.location))).json()).toEqual(order)
    expect((await browser.get('/api/orders')).json().items[0]).toMatchObject({ number: order.number, units: 3 })
    expect(await onHand(id)).toBe(before - 3)

    const stranger = createBrowser(shop.app)
    await stranger.logIn('admin@shop.example', 'admin')
    expect((await stranger.get(`/api/orders/${order.number}`)).statusCode).toBe(404)

    const cancel = () => browser.send({ method: 'POST', url: `/api/orders/${order.number}/cancel` })
    expect((await cancel()).json().status).toBe('cancelled')
    expect(await onHand(id)).toBe(before)
    expect((await cancel()).statusCode).toBe(409)
  })

  it('sells the last one once', async () => {
    const { id } = some(1)
    const admin = createBrowser(shop.app)
    await admin.logIn('admin@shop.example', 'admin')
    const move = (delta: number) =>
      admin.send({ method: 'POST', url: `/api/stock/${id}/movements`, payload: { delta, reason: 'correction' } })
    const before = await onHand(id)
    expect((await move(1 - before)).json()).toMatchObject({ product_id: id, on_hand: 1 })

    const answers = await Promise.all(
      [1, 2, 3].map(async () => {
        const browser = createBrowser(shop.app)
        await browser.logIn('ada@shop.example', 'shop')
        await browser.send({ method: 'POST', url: '/api/cart/items', payload: { product_id: id } })
        return browser.send({ method: 'POST', url: '/api/checkout', payload: { address, payment_method: 'card' } })
      }),
    )
    expect(answers.map(answer => answer.statusCode).sort()).toEqual([201, 409, 409])
    expect(answers.find(answer => answer.statusCode === 409)?.json()).toMatchObject({ error: 'out_of_stock' })
    expect(await onHand(id)).toBe(0)
    await move(before)
  })

  it('takes one order of a cart that is sent twice', async () => {
    const browser = createBrowser(shop.app)
    await browser.logIn('ada@shop.example', 'shop')
    await browser.send({ method: 'POST', url: '/api/cart/items', payload: { product_id: some(0).id } })
    const send = () =>
      browser.send({ method: 'POST', url: '/api/checkout', payload: { address, payment_method: 'card' } })
    const codes = (await Promise.all([send(), send()])).map(answer => answer.statusCode)
    expect(codes.sort()).toEqual([201, 422])
  })

  it('shows stock and reviews, and keeps one review a customer', async () => {
    const browser = createBrowser(shop.app)
    const { id } = some(1)
    expect((await browser.get('/api/stock/999999')).json().error).toBe('not_found')
    expect((await browser.get('/api/reviews')).json().fields).toHaveProperty('product_id')
    const review = (payload: object) => browser.send({ method: 'POST', url: '/api/reviews', payload })
    expect((await review({ product_id: id, rating: 5, title: 'x' })).statusCode).toBe(401)
    await browser.logIn('admin@shop.example', 'admin')
    const first = (await review({ product_id: id, rating: 5, title: 'Great' })).json()
    const second = (await review({ product_id: id, rating: 1, title: 'Broke' })).json()
    expect(second.count).toBe(first.count)
    expect((await browser.get(`/api/reviews?product_id=${id}`)).json().items[0]).toMatchObject({
      rating: 1,
      title: 'Broke',
    })
    expect((await review({ product_id: id, rating: 6, title: '' })).json().fields).toEqual({
      rating: 'must be 1 to 5',
      title: 'must not be empty',
    })
  })

  it('knows who is logged in', async () => {
    const browser = createBrowser(shop.app)
    expect((await browser.get('/api/me')).statusCode).toBe(401)
    expect((await browser.logIn('ada@shop.example', 'nope')).json().error).toBe('unauthorized')
    await browser.logIn('ada@shop.example', 'shop')
    expect((await browser.get('/api/me')).json()).toMatchObject({ email: 'ada@shop.example', is_admin: false })
    expect((await browser.send({ method: 'POST', url: '/api/logout' })).statusCode).toBe(204)
    expect((await browser.get('/api/me')).statusCode).toBe(401)
  })
})

describe('the back office', () => {
  it('edits, hides, deletes and restores a product', async () => {
    const browser = createBrowser(shop.app)
    await browser.logIn('admin@shop.example', 'admin')
    for (const path of [
      '/admin',
      '/admin/products?q=teapot',
      '/admin/products/new',
      '/admin/orders?status=paid',
      '/admin/log',
    ]) {
      expect([path, (await browser.get(path)).statusCode]).toEqual([path, 200])
    }
    const form = {
      sku: 'BO-1',
      name_en: 'Office Pot',
      category_id: '7',
      brand_id: '',
      amount: '12.5',
      sale: '',
      currency: 'EUR',
      attributes: '{"lid": true}',
      tags: 'gift\r\nnew\r\n',
      images: '/images/teapots/blue/1-1.svg A pot',
      active: 'on',
    }
    const made = await browser.post('/admin/products/new', form)
    expect(made.statusCode).toBe(303)
    const id = Number(/products\/(\d+)/.exec(String(made.headers.location))?.[1])
    expect((await browser.get(`/api/products/${id}`)).json()).toMatchObject({
      name: { en: 'Office Pot' },
      brand: null,
      price: { amount: '12.50', sale: null },
      attributes: { lid: true },
      tags: ['gift', 'new'],
      images: [{ url: '/images/teapots/blue/1-1.svg', alt: 'A pot' }],
    })

    const edit = `/admin/products/${id}`
    const wrong = await browser.post(edit, { ...form, amount: 'a lot', attributes: '{}' })
    expect([wrong.statusCode, wrong.body.includes('value="a lot"')]).toEqual([422, true])
    expect((await browser.post(edit, { ...form, attributes: '{' })).body).toContain('must be JSON')
    expect((await browser.post(edit, { ...form, sale: '9.90' })).statusCode).toBe(303)
    expect((await browser.get(`/api/products/${id}`)).json().price.sale).toBe('9.90')

    expect((await browser.post(`${edit}/stock`, { delta: '12', reason: 'delivery' })).statusCode).toBe(303)
    expect(await onHand(id)).toBe(12)
    await browser.post(`${edit}/delete`)
    expect((await browser.get(`/p/${id}`)).statusCode).toBe(404)
    expect((await browser.get(edit)).body).toContain('Put it back')
    await browser.post(`${edit}/restore`)
    expect((await browser.get(`/p/${id}`)).statusCode).toBe(200)
  })

  it('saves a form that nobody changed without touching the row', async () => {
    const browser = createBrowser(shop.app)
    await browser.logIn('admin@shop.example', 'admin')
    const certified = await shop
      .db('products')
      .whereRaw("description_en like '%Certificate%'")
      .whereNull('deleted_at')
      .first()
    const id: number = certified?.id ?? some(0).id
    const row = await shop.db('products').where({ id }).first()
    const page = (await browser.get(`/admin/products/${id}`)).body
    const saved = await browser.post(`/admin/products/${id}`, formOf(page))
    expect(saved.statusCode).toBe(303)
    expect(await shop.db('products').where({ id }).first()).toEqual(row)
  })

  it('moves an order on, one step at a time', async () => {
    const browser = createBrowser(shop.app)
    await browser.logIn('admin@shop.example', 'admin')
    await browser.send({ method: 'POST', url: '/api/cart/items', payload: { product_id: some(0).id } })
    const order = (
      await browser.send({ method: 'POST', url: '/api/checkout', payload: { address, payment_method: 'transfer' } })
    ).json()
    const step = (status: string) => browser.post(`/admin/orders/${order.number}/status`, { status })
    for (const status of ['paid', 'packed', 'shipped', 'delivered']) expect((await step(status)).statusCode).toBe(303)
    expect((await step('paid')).statusCode).toBe(409)
    expect((await step('lost')).statusCode).toBe(422)
    expect((await browser.get(`/api/orders/${order.number}`)).json()).toMatchObject({
      status: 'delivered',
      payment: { paid_at: expect.any(String) },
    })
  })
})

/** What a browser would send of the page's first form that edits a product. */
function formOf(page: string): Record<string, string> {
  const plain = (text: string) =>
    text.replace(
      /&(amp|lt|gt|quot|#39);/g,
      entity => ({ '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" })[entity] ?? '',
    )
  const form: Record<string, string> = {}
  const edit = page.slice(page.indexOf('<form class="columns"'))
  const markup = edit.slice(0, edit.indexOf('</form>'))
  for (const [, name = '', rest = ''] of markup.matchAll(/<input name="(\w+)"([^>]*)>/g)) {
    form[name] = plain(/value="([^"]*)"/.exec(rest)?.[1] ?? '')
  }
  for (const [, name = '', text = ''] of markup.matchAll(/<textarea name="(\w+)"[^>]*>([^<]*)<\/textarea>/g)) {
    form[name] = plain(text).replaceAll('\n', '\r\n')
  }
  for (const [, name = '', options = ''] of markup.matchAll(/<select name="(\w+)">(.*?)<\/select>/gs)) {
    form[name] = /value="([^"]*)" selected/.exec(options)?.[1] ?? ''
  }
  return { ...form, ...(/name="active" checked/.test(markup) && { active: 'on' }) }
}
