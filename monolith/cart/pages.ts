import type { FastifyInstance } from 'fastify'
import { type Html, html } from '../web/html.ts'
import { field, money, notice } from '../web/parts.ts'
import { Problem } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { routeId } from '../web/validation.ts'
import { addToCart, type Cart, readCart, setCoupon, setQuantity } from './cart.ts'

export function cartPages(app: FastifyInstance, { db, sessions, pages }: Shop): void {
  app.get('/cart', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const cart = await readCart(db, visitor.sessionHash)
    return pages.send(reply, visitor, { title: 'Cart', body: cartPage(cart) })
  })

  app.post<{ Body: { product_id?: string; quantity?: string } }>('/cart/items', async (request, reply) => {
    const session = await sessions.ensure(await sessions.visitor(request), reply)
    const { product_id, quantity = '1' } = request.body
    await addToCart(db, session, { product_id: Number(product_id), quantity: Number(quantity) })
    return reply.redirect('/cart', 303)
  })

  type Line = { Params: { productId: string }; Body: { quantity?: string } }
  app.post<Line>('/cart/items/:productId', async (request, reply) => {
    const session = await sessions.ensure(await sessions.visitor(request), reply)
    await setQuantity(db, session, routeId(request.params.productId) ?? 0, { quantity: Number(request.body.quantity) })
    return reply.redirect('/cart', 303)
  })

  app.post<{ Body: { code?: string } }>('/cart/coupon', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const session = await sessions.ensure(visitor, reply)
    try {
      await setCoupon(db, session, { code: request.body.code ?? '' })
      return reply.redirect('/cart', 303)
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 422) throw error
      const body = cartPage(await readCart(db, session), error.fields?.code)
      return pages.send(reply, visitor, { title: 'Cart', body, status: 422 })
    }
  })
}

function cartPage(cart: Cart, couponProblem?: string): Html {
  if (cart.items.length === 0) {
    return html`<h1>Cart</h1><p class="empty">Your cart is empty. <a href="/">Find something nice</a>.</p>`
  }
  return html`<h1>Cart</h1>
<div class="columns">
  <div class="wide"><table>
    <tr><th></th><th>Product</th><th>Quantity</th><th class="number">Each</th><th class="number">Total</th></tr>
    ${cart.items.map(
      item => html`<tr>
      <td><a href="/p/${item.product_id}"><img src="${item.image_url ?? '/images/box/natural/1-1.svg'}" alt=""></a></td>
      <td><a href="/p/${item.product_id}">${item.name}</a><br><span class="soft">${item.sku}</span></td>
      <td><form method="post" action="/cart/items/${item.product_id}">
        <input type="number" name="quantity" value="${item.quantity}" min="0" max="99" aria-label="Quantity of ${item.name}">
        <button class="quiet">Set</button></form>
        <form method="post" action="/cart/items/${item.product_id}"><input type="hidden" name="quantity" value="0">
        <button class="link" aria-label="Remove ${item.name}">Remove</button></form></td>
      <td class="number">${money(item.unit_price)}</td><td class="number">${money(item.total)}</td></tr>`,
    )}
  </table></div>
  <aside class="panel">
    ${sums(cart)}
    <p><a class="button" href="/checkout">Go to checkout</a></p>
    <form method="post" action="/cart/coupon">
      ${field({ name: 'code', label: 'Coupon', value: cart.coupon?.code, hint: 'try WELCOME10', problem: couponProblem })}
      <button class="quiet">Apply</button>
    </form>
    ${cart.coupon !== null && cart.discount === '0.00' && notice(`${cart.coupon.code} counts from € ${cart.coupon.minimum_total}.`)}
  </aside>
</div>`
}

/** The table of what is to pay, for carts and for orders. */
export function sums(of: Pick<Cart, 'subtotal' | 'discount' | 'shipping' | 'tax' | 'total'>): Html {
  return html`<table>
  <tr><td>Goods</td><td class="number">${money(of.subtotal)}</td></tr>
  ${of.discount !== '0.00' && html`<tr><td>Coupon</td><td class="number">− ${money(of.discount)}</td></tr>`}
  <tr><td>Shipping</td><td class="number">${money(of.shipping)}</td></tr>
  <tr class="total"><td>Total</td><td class="number">${money(of.total)}</td></tr>
  <tr><td class="soft">of which VAT</td><td class="number soft">${money(of.tax)}</td></tr>
</table>`
}
