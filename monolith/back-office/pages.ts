import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { z } from 'zod'
import { requireAdmin } from '../accounts/sessions.ts'
import { findOrder, listOrders, setOrderStatus } from '../orders/order-store.ts'
import { orderPage, statusBadge } from '../orders/pages.ts'
import { nextStatuses, ORDER_STATUSES } from '../orders/status.ts'
import { type Html, html } from '../web/html.ts'
import { day, money } from '../web/parts.ts'
import type { Shop } from '../web/shop.ts'
import { check, wholeNumber, withoutEmpty } from '../web/validation.ts'

const status = z.enum(ORDER_STATUSES, { error: `must be one of ${ORDER_STATUSES.join(', ')}` })
const ordersQuery = z.object({ status: status.optional(), page: wholeNumber(1, 1_000_000).default(1) })

/** The back office's first page, its orders and its log. */
export function backOfficePages(app: FastifyInstance, { db, sessions, pages }: Shop): void {
  app.get('/admin', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    requireAdmin(visitor)
    return pages.send(reply, visitor, { title: 'Back office', body: html`${subnav()}${await dashboard(db)}` })
  })

  app.post('/admin/bestsellers', async (request, reply) => {
    requireAdmin(await sessions.visitor(request))
    await db.raw('refresh materialized view concurrently bestsellers')
    return reply.redirect('/admin', 303)
  })

  app.get('/admin/orders', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    requireAdmin(visitor)
    const { status: chosen, page } = check(ordersQuery, withoutEmpty(request.query))
    const orders = await listOrders(db, { page, ...(chosen !== undefined && { status: chosen }) })
    const address = (to: number) => `/admin/orders?${new URLSearchParams({ status: chosen ?? '', page: String(to) })}`
    const body = html`${subnav()}<h1>Orders</h1>
      <p class="tags"><a href="/admin/orders">all</a>${ORDER_STATUSES.map(name => html`<a href="/admin/orders?status=${name}">${name}</a>`)}</p>
      ${orderTable(orders)}
      <nav class="pager">${page > 1 ? html`<a href="${address(page - 1)}">← Newer</a>` : html`<span></span>`}<a href="${address(page + 1)}">Older →</a></nav>`
    return pages.send(reply, visitor, { title: 'Orders', body })
  })

  type ByNumber = { Params: { number: string } }
  app.get<ByNumber>('/admin/orders/:number', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    requireAdmin(visitor)
    const order = await findOrder(db, request.params.number)
    const steps = nextStatuses(order.status).map(
      step => html`<form method="post" action="/admin/orders/${order.number}/status">
        <input type="hidden" name="status" value="${step}"><button class="quiet">Mark as ${step}</button></form>`,
    )
    const body = html`${subnav()}<div class="toolbar"><span></span>${steps}</div>${orderPage(order)}`
    return pages.send(reply, visitor, { title: `Order ${order.number}`, body })
  })

  app.post<ByNumber>('/admin/orders/:number/status', async (request, reply) => {
    const { email } = requireAdmin(await sessions.visitor(request))
    const step = check(z.object({ status }), request.body).status
    await setOrderStatus(db, request.params.number, step, email)
    return reply.redirect(`/admin/orders/${request.params.number}`, 303)
  })

  app.get('/admin/log', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    requireAdmin(visitor)
    const entries = await db('audit_log').orderBy('at', 'desc').limit(100).select<LogEntry[]>()
    return pages.send(reply, visitor, { title: 'Log', body: html`${subnav()}<h1>Log</h1>${logTable(entries)}` })
  })
}

interface LogEntry {
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly entity: string
  readonly entity_id: string
  readonly details: Readonly<Record<string, unknown>>
}

export function subnav(): Html {
  return html`<nav class="subnav" aria-label="Back office"><a href="/admin">Overview</a><a href="/admin/products">Products</a>
    <a href="/admin/orders">Orders</a><a href="/admin/log">Log</a></nav>`
}

interface Figures {
  readonly products: number
  readonly open_orders: number
  readonly sold_out: number
  readonly customers: number
}

async function dashboard(db: Knex): Promise<Html> {
  const [{ rows }, orders, best] = await Promise.all([
    db.raw<{ rows: Figures[] }>(`
      select (select count(*)::int from products where active and deleted_at is null) as products,
             (select count(*)::int from orders where status in ('pending', 'paid', 'packed')) as open_orders,
             (select count(*)::int from stock_levels where on_hand <= 0) as sold_out,
             (select count(*)::int from customers where deleted_at is null) as customers`),
    listOrders(db, {}),
    db('bestsellers as b')
      .join('products as p', 'p.id', 'b.product_id')
      .orderBy('b.revenue', 'desc')
      .limit(10)
      .select<{ id: number; name: string; units: number; revenue: string }[]>(
        ...['p.id', 'p.name_en as name', 'b.units', 'b.revenue'],
      ),
  ])
  const figures = rows[0]
  return html`<h1>Back office</h1>
<div class="figures">
  <div class="panel"><b>${figures?.products}</b>products on sale</div>
  <div class="panel"><b>${figures?.open_orders}</b>orders to send</div>
  <div class="panel"><b>${figures?.sold_out}</b>products sold out</div>
  <div class="panel"><b>${figures?.customers}</b>customers</div>
</div>
<div class="columns">
  <div><h2>Latest orders</h2>${orderTable(orders.slice(0, 10))}</div>
  <div><h2>Best by revenue</h2><table>${best.map(
    ({ id, name, units, revenue }) =>
      html`<tr><td><a href="/admin/products/${id}">${name}</a></td><td class="number">${units}</td><td class="number">${money(revenue)}</td></tr>`,
  )}</table>
  <form method="post" action="/admin/bestsellers"><p><button class="quiet">Count again</button></p></form></div>
</div>`
}

function orderTable(orders: Awaited<ReturnType<typeof listOrders>>): Html {
  return html`<div class="wide"><table>
  <tr><th>Number</th><th>Date</th><th>Customer</th><th>Status</th><th class="number">Units</th><th class="number">Total</th></tr>
  ${orders.map(
    order => html`<tr><td><a href="/admin/orders/${order.number}">${order.number}</a></td><td>${day(order.placed_at)}</td>
    <td>${order.customer_name}</td><td>${statusBadge(order.status)}</td><td class="number">${order.units}</td>
    <td class="number">${money(order.total)}</td></tr>`,
  )}
</table></div>`
}

function logTable(entries: readonly LogEntry[]): Html {
  return html`<div class="wide"><table><tr><th>When</th><th>Who</th><th>What</th><th>Details</th></tr>
  ${entries.map(
    entry => html`<tr><td class="soft">${entry.at}</td><td>${entry.actor}</td>
    <td>${entry.action} ${entry.entity} ${entry.entity_id}</td><td class="soft">${JSON.stringify(entry.details)}</td></tr>`,
  )}</table></div>`
}
