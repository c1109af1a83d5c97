import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { z } from 'zod'
import type { Customer } from '../accounts/sessions.ts'
import { cartCoupon, cartLines, discountPercent, pricedLines } from '../cart/cart.ts'
import { invalid, Problem } from '../web/problem.ts'
import { check, text } from '../web/validation.ts'
import { fromCents, taxPercent, totals } from './money.ts'

export const PAYMENT_METHODS = ['card', 'paypal', 'invoice', 'transfer'] as const

const schema = z.object({
  address: z.object(
    {
      recipient: text(200, 1),
      street: text(200, 1),
      postcode: text(20, 1),
      city: text(100, 1),
      country: z.string().regex(/^[A-Z]{2}$/, 'must be a country code such as "DE"'),
    },
    'must be {recipient, street, postcode, city, country}',
  ),
  payment_method: z.enum(PAYMENT_METHODS, { error: `must be one of ${PAYMENT_METHODS.join(', ')}` }),
  note: text(1_000).optional(),
})

export type ShippingAddress = z.output<typeof schema>['address']

/**
 * Makes an order of the session's cart, takes the goods out of stock and empties the cart, in one transaction.
 *
 * @param body `{address: {recipient, street, postcode, city, country}, payment_method, note?}`
 * @returns the order's number, such as `S-100042`.
 * @throws Problem 422 when a field is wrong or the cart is empty, 409 `out_of_stock` that names what there is too little of.
 */
export async function placeOrder(db: Knex, sessionHash: Buffer, customer: Customer, body: unknown): Promise<string> {
  const { address, payment_method: method, note = '' } = check(schema, body)
  return db.transaction(async trx => {
    // Whoever sends the form twice waits here, and then finds the cart empty.
    await trx('carts').where({ session_hash: sessionHash }).forUpdate().first('id')
    const lines = await cartLines(trx, sessionHash)
    if (lines.length === 0) throw invalid({ cart: 'is empty' })
    await reserve(trx, lines)

    const coupon = await cartCoupon(trx, sessionHash)
    const priced = pricedLines(lines)
    const percent = discountPercent(priced, coupon)
    const sums = totals(priced, percent)
    const paid = method === 'card' || method === 'paypal'
    const [order] = await trx('orders')
      .insert({
        customer_id: customer.id,
        status: paid ? 'paid' : 'pending',
        shipping_address: address,
        subtotal: fromCents(sums.subtotal),
        discount: fromCents(sums.discount),
        shipping: fromCents(sums.shipping),
        tax: fromCents(sums.tax),
        total: fromCents(sums.total),
        coupon_code: percent > 0 ? coupon?.code : null,
        note: note === '' ? null : note,
      })
      .returning<{ id: string; number: string }[]>(['id', 'number'])
    if (order === undefined) throw new Error('an insert of an order returned no row')

    await trx('order_items').insert(
      lines.map((line, index) => ({
        order_id: order.id,
        line_no: index + 1,
        product_id: line.product_id,
        sku: line.sku,
        name: line.name,
        quantity: line.quantity,
        unit_price: line.unit_price,
        tax_percent: taxPercent(line.tax_class),
      })),
    )
    await trx('stock_movements').insert(
      lines.map(line => ({ product_id: line.product_id, delta: -line.quantity, reason: 'sale', order_id: order.id })),
    )
    await trx('payments').insert({
      order_id: order.id,
      method,
      amount: fromCents(sums.total),
      reference: `PAY-${randomUUID()}`,
      paid_at: paid ? trx.fn.now() : null,
    })
    await trx('carts').where({ session_hash: sessionHash }).delete()
    return order.number
  })
}

/** Locks the stock of every line, always in the same order so that two orders never wait for each other in a circle. */
async function reserve(trx: Knex, lines: readonly { product_id: number; name: string; quantity: number }[]) {
  const levels = await trx('stock_levels')
    .whereIn(
      'product_id',
      lines.map(line => line.product_id),
    )
    .orderBy('product_id')
    .forUpdate()
    .select<{ product_id: number; on_hand: number }[]>('product_id', 'on_hand')
  const onHand = new Map(levels.map(level => [level.product_id, level.on_hand]))
  const short = lines.filter(line => (onHand.get(line.product_id) ?? 0) < line.quantity)
  if (short.length === 0) return
  const names = short.map(line => `${line.name} (${onHand.get(line.product_id) ?? 0} left)`)
  throw new Problem(409, 'out_of_stock', `There is not enough of ${names.join(', ')}`)
}
