import { fromCents, taxPercent, toCents, totals } from '../orders/money.ts'
import type { GeneratedProduct } from './catalog.ts'
import type { Row } from './copy.ts'
import { createRandom, type Random } from './random.ts'
import { DAY, END_OF_HISTORY, timestamp } from './timeline.ts'
import { REVIEWS } from './words.ts'

const NOTES = ['Please ring twice', 'Als Geschenk verpacken', 'Leave with the neighbour'] as const

const FIRST_ORDER = END_OF_HISTORY - 2 * 365 * DAY

/** Valid whenever the shop is opened. */
export const COUPONS: readonly [code: string, percent: number, minimum: string][] = [
  ['WELCOME10', 10, '0.00'],
  ['SPRING15', 15, '60.00'],
  ['FRIENDS25', 25, '120.00'],
]

/** Rows by table, of a few thousand orders and what came of them. */
export interface OrderBatch {
  readonly orders: Row[]
  readonly order_items: Row[]
  readonly payments: Row[]
  readonly stock_movements: Row[]
  readonly reviews: Row[]
  readonly page_views: Row[]
  readonly audit_log: Row[]
}

interface PlacedOrder {
  readonly id: number
  readonly customerId: number
  /** In milliseconds since 1970. */
  readonly placedAt: number
}

type SoldProduct = Pick<GeneratedProduct, 'id' | 'sku' | 'name' | 'price' | 'taxClass'>

export interface OrderHistoryOptions {
  readonly seed: number
  readonly count: number
  readonly batchSize: number
  readonly products: readonly [SoldProduct, ...SoldProduct[]]
  /** The shipping address of each customer; the customer's id is its index + 1. */
  readonly addresses: readonly { readonly [key: string]: string }[]
}

export function couponRows(): Row[] {
  return COUPONS.map(([code, percent, minimum_total]) => ({
    code,
    percent,
    minimum_total,
    valid_from: '2020-01-01T00:00:00Z',
    valid_until: '2099-12-31T23:59:59.999999Z',
  }))
}

/** Two years of orders, oldest first. Some products sell far better than others; stock never falls below zero. */
export function* orderHistory(options: OrderHistoryOptions): Generator<OrderBatch> {
  const history = new OrderHistory(options)
  for (let first = 1; first <= options.count || first === 1; first += options.batchSize) {
    yield history.batch(first, Math.min(options.count, first + options.batchSize - 1))
  }
}

class OrderHistory {
  readonly #options: OrderHistoryOptions
  readonly #random: Random
  readonly #onHand: Int32Array
  readonly #reviewed = new Set<string>()

  constructor(options: OrderHistoryOptions) {
    this.#options = options
    this.#random = createRandom(options.seed, 'orders')
    this.#onHand = new Int32Array(options.products.length + 1)
  }

  batch(first: number, last: number): OrderBatch {
    const batch: OrderBatch = {
      orders: [],
      order_items: [],
      payments: [],
      stock_movements: [],
      reviews: [],
      page_views: [],
      audit_log: [],
    }
    if (first === 1) this.#openWarehouse(batch)
    for (let id = first; id <= last; id++) this.#order(batch, id)
    return batch
  }

  #openWarehouse(batch: OrderBatch): void {
    for (const { id } of this.#options.products) this.#deliver(batch, id, FIRST_ORDER - DAY + id / 1_000)
  }

  #deliver(batch: OrderBatch, productId: number, at: number): void {
    const delta = this.#random.integer(5, 60)
    this.#onHand[productId] = (this.#onHand[productId] ?? 0) + delta
    const movedAt = timestamp(at)
    batch.stock_movements.push({
      product_id: productId,
      delta,
      reason: 'delivery',
      order_id: null,
      moved_at: movedAt,
    })
    if (!this.#random.chance(0.1)) return
    batch.audit_log.push({
      at: movedAt,
      actor: 'warehouse',
      action: 'delivery',
      entity: 'product',
      entity_id: String(productId),
      details: { delta, supplier: `S${this.#random.integer(10, 99)}` },
    })
  }

  #order(batch: OrderBatch, id: number): void {
    const { count, products, addresses } = this.#options
    const random = this.#random
    const placedAt = FIRST_ORDER + ((id - 1 + random.next()) / count) * (END_OF_HISTORY - FIRST_ORDER)
    const customerId = random.integer(2, addresses.length)
    const status = orderStatus(random, END_OF_HISTORY - placedAt)
    const lines = chooseProducts(random, products).map(product => ({
      product,
      quantity: random.chance(0.8) ? 1 : random.integer(2, 4),
    }))
    const [coupon, percent] = random.chance(0.12) ? random.pick(COUPONS) : [null, 0]
    const sums = totals(
      lines.map(({ product, quantity }) => ({
        unitCents: toCents(product.price),
        quantity,
        taxPercent: taxPercent(product.taxClass),
      })),
      percent,
    )
    const settledAt = Math.min(END_OF_HISTORY - 1, placedAt + random.next() * 5 * DAY)
    batch.orders.push({
      id,
      number: `S-${100_000 + id}`,
      customer_id: customerId,
      status,
      shipping_address: addresses[customerId - 1] ?? {},
      subtotal: fromCents(sums.subtotal),
      discount: fromCents(sums.discount),
      shipping: fromCents(sums.shipping),
      tax: fromCents(sums.tax),
      total: fromCents(sums.total),
      currency: 'EUR',
      coupon_code: coupon,
      note: random.chance(0.05) ? random.pick(NOTES) : null,
      placed_at: timestamp(placedAt),
      updated_at: timestamp(settledAt),
    })
    batch.payments.push(payment(random, id, fromCents(sums.total), status, settledAt))

    for (const [index, { product, quantity }] of lines.entries()) {
      const order = { id, customerId, placedAt }
      this.#item(batch, order, index + 1, product, quantity)
      if (status !== 'cancelled') this.#sell(batch, order, product.id, quantity)
      if (status === 'delivered' && random.chance(0.12)) this.#review(batch, product.id, customerId, settledAt)
    }
  }

  /** A line of the order, and the look at the product's page that came before it. */
  #item(batch: OrderBatch, order: PlacedOrder, lineNo: number, product: SoldProduct, quantity: number): void {
    batch.order_items.push({
      order_id: order.id,
      line_no: lineNo,
      product_id: product.id,
      sku: product.sku,
      name: product.name,
      quantity,
      unit_price: product.price,
      tax_percent: taxPercent(product.taxClass).toFixed(2),
    })
    batch.page_views.push({
      at: timestamp(order.placedAt - this.#random.next() * DAY),
      path: `/p/${product.id}`,
      product_id: product.id,
      customer_id: order.customerId,
    })
  }

  #sell(batch: OrderBatch, order: PlacedOrder, productId: number, quantity: number): void {
    if ((this.#onHand[productId] ?? 0) < quantity) this.#deliver(batch, productId, order.placedAt - 0.5)
    this.#onHand[productId] = (this.#onHand[productId] ?? 0) - quantity
    batch.stock_movements.push({
      product_id: productId,
      delta: -quantity,
      reason: 'sale',
      order_id: order.id,
      moved_at: timestamp(order.placedAt),
    })
  }

  #review(batch: OrderBatch, productId: number, customerId: number, boughtAt: number): void {
    const key = `${productId}:${customerId}`
    if (this.#reviewed.has(key)) return
    this.#reviewed.add(key)
    const [rating, title, body] = this.#random.pick(REVIEWS)
    const createdAt = timestamp(boughtAt + this.#random.next() * 20 * DAY)
    batch.reviews.push({
      product_id: productId,
      customer_id: customerId,
      rating,
      title,
      body,
      created_at: createdAt,
    })
  }
}

/** One to four different ones, in the order in which they were put into the cart. */
function chooseProducts(random: Random, products: readonly [SoldProduct, ...SoldProduct[]]): SoldProduct[] {
  const chosen = new Set<SoldProduct>()
  for (let wanted = random.integer(1, 4); wanted > 0; wanted--) {
    chosen.add(products[Math.floor(products.length * random.next() ** 1.8)] ?? products[0])
  }
  return [...chosen]
}

/** @param age in milliseconds: what is old has arrived or was given up. */
function orderStatus(random: Random, age: number): string {
  if (random.chance(0.04)) return 'cancelled'
  if (age < 2 * DAY) return random.pick(['pending', 'paid', 'packed'])
  if (age < 7 * DAY) return random.pick(['packed', 'shipped', 'shipped'])
  return random.chance(0.03) ? 'refunded' : 'delivered'
}

function payment(random: Random, orderId: number, amount: string, status: string, paidAt: number): Row {
  const method = random.pick(['card', 'card', 'paypal', 'invoice', 'transfer'])
  const card = { brand: random.pick(['visa', 'mastercard']), last4: `${random.integer(1000, 9999)}` }
  const paid = status !== 'pending' && status !== 'cancelled'
  return {
    order_id: orderId,
    method,
    amount,
    reference: `PAY-${orderId}`,
    details: method === 'card' ? card : {},
    paid_at: paid ? timestamp(paidAt) : null,
  }
}
