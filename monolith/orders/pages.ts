import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { requireCustomer } from '../accounts/sessions.ts'
import { type Cart, readCart } from '../cart/cart.ts'
import { sums } from '../cart/pages.ts'
import { type Html, html } from '../web/html.ts'
import { day, field, money, notice, select } from '../web/parts.ts'
import { Problem } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { PAYMENT_METHODS, placeOrder, type ShippingAddress } from './checkout.ts'
import { cancelOrder, findOrder, listOrders, type Order, type OrderOverview } from './order-store.ts'
import { customerMayCancel } from './status.ts'

const COUNTRIES = [
  ['DE', 'Germany'],
  ['AT', 'Austria'],
  ['BE', 'Belgium'],
  ['DK', 'Denmark'],
  ['FR', 'France'],
  ['IT', 'Italy'],
  ['NL', 'Netherlands'],
  ['PT', 'Portugal'],
] as const

type Form = Readonly<Record<string, string | undefined>>

/** Checkout, and a customer's orders. */
export function ordersPages(app: FastifyInstance, { db, sessions, pages }: Shop): void {
  app.get('/checkout', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const customer = requireCustomer(visitor)
    const cart = await readCart(db, visitor.sessionHash)
    if (cart.items.length === 0) return reply.redirect('/cart', 303)
    const address = await defaultAddress(db, customer.id)
    const body = checkoutPage(cart, address ?? { recipient: customer.name })
    return pages.send(reply, visitor, { title: 'Checkout', body })
  })

  app.post<{ Body: Form }>('/checkout', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const customer = requireCustomer(visitor)
    const { recipient, street, postcode, city, country, payment_method, note } = request.body
    const address = { recipient, street, postcode, city, country }
    try {
      const session = await sessions.ensure(visitor, reply)
      const number = await placeOrder(db, session, customer, { address, payment_method, note })
      return reply.redirect(`/orders/${number}?placed`, 303)
    } catch (error) {
      if (!(error instanceof Problem) || (error.status !== 422 && error.status !== 409)) throw error
      const body = checkoutPage(await readCart(db, visitor.sessionHash), request.body, error)
      return pages.send(reply, visitor, { title: 'Checkout', body, status: error.status })
    }
  })

  app.get('/orders', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const customer = requireCustomer(visitor)
    const orders = await listOrders(db, { customerId: customer.id })
    return pages.send(reply, visitor, { title: 'Your orders', body: ordersPage(orders) })
  })

  type ByNumber = { Params: { number: string }; Querystring: { placed?: string } }
  app.get<ByNumber>('/orders/:number', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const order = await findOrder(db, request.params.number, requireCustomer(visitor).id)
    const body = html`${request.query.placed !== undefined && notice('Thank you! We have your order.', 'good')}${orderPage(order)}`
    return pages.send(reply, visitor, { title: `Order ${order.number}`, body })
  })

  app.post<ByNumber>('/orders/:number/cancel', async (request, reply) => {
    const customer = requireCustomer(await sessions.visitor(request))
    await cancelOrder(db, request.params.number, customer)
    return reply.redirect(`/orders/${request.params.number}`, 303)
  })
}

async function defaultAddress(db: Knex, customerId: number): Promise<ShippingAddress | undefined> {
  return db('addresses')
    .where({ customer_id: customerId })
    .orderBy([{ column: 'is_default', order: 'desc' }, { column: 'id' }])
    .first<ShippingAddress | undefined>('recipient', 'street', 'postcode', 'city', 'country')
}

function checkoutPage(cart: Cart, form: Form, problem?: Problem): Html {
  const at = (name: string, label: string, autocomplete: string) =>
    field({
      name,
      label,
      autocomplete,
      value: form[name],
      problem: problem?.fields?.[`address.${name}`],
      required: true,
    })
  const methods = PAYMENT_METHODS.map(method => [method, method.charAt(0).toUpperCase() + method.slice(1)] as const)
  const fieldIsNamed = Object.keys(problem?.fields ?? {}).some(path => path.startsWith('address.'))
  return html`<h1>Checkout</h1>
${problem !== undefined && !fieldIsNamed && notice(problem.message)}
<form class="columns" method="post" action="/checkout">
  <div class="panel"><h3>Where shall we send it?</h3>
    ${at('recipient', 'Name', 'name')}
    ${at('street', 'Street and number', 'street-address')}
    <div class="pair">${at('postcode', 'Postcode', 'postal-code')}${at('city', 'City', 'address-level2')}</div>
    ${select('country', 'Country', COUNTRIES, form.country ?? 'DE')}
    ${select('payment_method', 'Payment', methods, form.payment_method ?? 'card')}
    <label class="field">Note <small>for the parcel service</small><textarea name="note" rows="2">${form.note}</textarea></label>
  </div>
  <aside class="panel"><h3>Your order</h3>
    <p class="soft">${cart.items.map(item => html`${item.quantity} × ${item.name}<br>`)}</p>
    ${sums(cart)}
    <p><button>Place the order</button></p>
  </aside>
</form>`
}

function ordersPage(orders: readonly OrderOverview[]): Html {
  if (orders.length === 0) return html`<h1>Your orders</h1><p class="empty">No orders yet.</p>`
  return html`<h1>Your orders</h1>
<div class="wide"><table>
  <tr><th>Number</th><th>Date</th><th>Items</th><th>Status</th><th class="number">Total</th></tr>
  ${orders.map(
    order => html`<tr><td><a href="/orders/${order.number}">${order.number}</a></td><td>${day(order.placed_at)}</td>
      <td>${order.items}</td><td>${statusBadge(order.status)}</td><td class="number">${money(order.total)}</td></tr>`,
  )}
</table></div>`
}

export function statusBadge(status: string): Html {
  return html`<span class="status ${status}">${status}</span>`
}

export function orderPage(order: Order): Html {
  const { recipient, street, postcode, city, country } = order.shipping_address
  return html`<h1>Order ${order.number} ${statusBadge(order.status)}</h1>
<p class="soft">Placed on ${day(order.placed_at)}${order.payment !== null && html`, by ${order.payment.method}`}</p>
<div class="columns">
  <div class="wide"><table>
    <tr><th>Product</th><th class="number">Quantity</th><th class="number">Each</th></tr>
    ${order.items.map(
      item => html`<tr><td><a href="/p/${item.product_id}">${item.name}</a> <span class="soft">${item.sku}</span></td>
        <td class="number">${item.quantity}</td><td class="number">${money(item.unit_price)}</td></tr>`,
    )}
  </table></div>
  <aside class="panel">${sums(order)}
    <p>${recipient}<br>${street}<br>${postcode} ${city}, ${country}</p>
    ${order.note !== null && html`<p class="soft">${order.note}</p>`}
    ${
      customerMayCancel(order.status) &&
      html`<form method="post" action="/orders/${order.number}/cancel"><button class="danger">Cancel the order</button></form>`
    }
  </aside>
</div>`
}
