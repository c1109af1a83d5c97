import type { Knex } from 'knex'
import { audit } from '../database/audit.ts'
import { notFound, Problem } from '../web/problem.ts'
import type { ShippingAddress } from './checkout.ts'
import { customerMayCancel, nextStatuses, type OrderStatus } from './status.ts'

/** An order as the API and the pages show it. Money is text with two decimals. */
export interface Order {
  readonly number: string
  readonly status: OrderStatus
  readonly placed_at: string
  readonly items: readonly OrderItem[]
  readonly subtotal: string
  readonly discount: string
  readonly shipping: string
  readonly tax: string
  readonly total: string
  readonly currency: string
  readonly coupon: string | null
  readonly note: string | null
  readonly shipping_address: ShippingAddress
  readonly payment: { readonly method: string; readonly paid_at: string | null } | null
}

export interface OrderItem {
  readonly line_no: number
  readonly product_id: number
  readonly sku: string
  readonly name: string
  readonly quantity: number
  readonly unit_price: string
}

/** A row of the view `v_order_overview`. */
export interface OrderOverview {
  readonly number: string
  readonly status: OrderStatus
  readonly placed_at: string
  readonly total: string
  readonly currency: string
  readonly customer_id: number
  readonly customer_name: string
  readonly customer_email: string
  readonly units: number
  readonly items: string | null
}

/** The newest first. */
export async function listOrders(
  db: Knex,
  filter: { readonly customerId?: number; readonly status?: OrderStatus; readonly page?: number },
): Promise<OrderOverview[]> {
  const perPage = 20
  const newest = db('orders')
    .select('id')
    .orderBy('id', 'desc')
    .limit(perPage)
    .offset(((filter.page ?? 1) - 1) * perPage)
  if (filter.customerId !== undefined) newest.where('customer_id', filter.customerId)
  if (filter.status !== undefined) newest.where('status', filter.status)
  return db('v_order_overview')
    .whereIn('id', newest)
    .orderBy('id', 'desc')
    .select<OrderOverview[]>(
      ...['number', 'status', 'placed_at', 'total', 'currency', 'customer_id', 'customer_name', 'customer_email'],
      ...['units', 'items'],
    )
}

interface OrderRow extends Omit<Order, 'items' | 'payment' | 'coupon'> {
  readonly id: string
  readonly coupon_code: string | null
}

/** @param customerId whose order it has to be; anyone's if undefined. @throws Problem 404. */
export async function findOrder(db: Knex, number: string, customerId?: number): Promise<Order> {
  const owner = customerId === undefined ? {} : { customer_id: customerId }
  const row = number.includes('\0')
    ? undefined
    : await db('orders')
        .where({ number, ...owner })
        .first<OrderRow | undefined>()
  if (row === undefined) throw notFound(`Order "${number}"`)
  // One after the other: inside a transaction there is one connection.
  const items = await db('order_items')
    .where({ order_id: row.id })
    .orderBy('line_no')
    .select<OrderItem[]>('line_no', 'product_id', 'sku', 'name', 'quantity', 'unit_price')
  const payment = await db('payments')
    .where({ order_id: row.id })
    .orderBy('id')
    .first<{ method: string; paid_at: string | null } | undefined>('method', 'paid_at')
  return {
    number: row.number,
    status: row.status,
    placed_at: row.placed_at,
    items,
    subtotal: row.subtotal,
    discount: row.discount,
    shipping: row.shipping,
    tax: row.tax,
    total: row.total,
    currency: row.currency,
    coupon: row.coupon_code,
    note: row.note,
    shipping_address: row.shipping_address,
    payment: payment ?? null,
  }
}

/** A customer calls an order off; the goods go back into stock. @throws Problem 404, 409 when it is too late. */
export async function cancelOrder(db: Knex, number: string, customer: { id: number; email: string }): Promise<void> {
  const order = await findOrder(db, number, customer.id)
  if (!customerMayCancel(order.status)) throw tooLate(order, 'cancelled')
  await setOrderStatus(db, number, 'cancelled', customer.email)
}

/** Moves an order on; what is cancelled or refunded goes back into stock. @throws Problem 404, 409 for a wrong step. */
export async function setOrderStatus(db: Knex, number: string, status: OrderStatus, actor: string): Promise<void> {
  await db.transaction(async trx => {
    await trx('orders').where({ number }).forUpdate().first('id')
    const order = await findOrder(trx, number)
    if (!nextStatuses(order.status).includes(status)) throw tooLate(order, status)
    const [row] = await trx('orders').where({ number }).update({ status }).returning<{ id: string }[]>('id')
    if (row === undefined) throw notFound(`Order "${number}"`)
    if (status === 'paid') await trx('payments').where({ order_id: row.id }).update({ paid_at: trx.fn.now() })
    if (status === 'cancelled' || status === 'refunded') {
      await trx('stock_movements').insert(
        order.items.map(item => ({
          product_id: item.product_id,
          delta: item.quantity,
          reason: 'return',
          order_id: row.id,
        })),
      )
    }
    await audit(trx, actor, status, 'order', number, { from: order.status })
  })
}

function tooLate(order: Order, status: OrderStatus): Problem {
  return new Problem(409, 'conflict', `Order ${order.number} is ${order.status} and cannot become ${status}`)
}
