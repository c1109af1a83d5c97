import { fromCents, type Totals, taxPercent, toCents, totals } from '../orders/money.ts'
import type { GeneratedProduct } from './catalog.ts'
import type { Value } from './copy.ts'
import { createRandom, type Random } from './random.ts'
import { DAY, END_OF_HISTORY, timestamp } from './timeline.ts'
import { REVIEWS } from './words.ts'

const FIRST_ORDER = END_OF_HISTORY - 2 * 365 * DAY

/** Valid whenever the shop is opened. */
export const COUPONS: readonly [code: string, percent: number, minimum: string][] = [
  ['WELCOME10', 10, '0.00'],
  ['SPRING15', 15, '60.00'],
  ['FRIENDS25', 25, '120.00'],
]

export const COLUMNS = {
  coupons: ['code', 'percent', 'minimum_total', 'valid_from', 'valid_until'],
  orders: [
    ...[
      'id',
      'number',
      'customer_id',
      'status',
      'shipping_address',
      'subtotal',
      'discount',
      'shipping',
      'tax',
      'total',
    ],
    ...['currency', 'coupon_code', 'note', 'placed_at', 'updated_at'],
  ],
  order_items: ['order_id', 'line_no', 'product_id', 'sku', 'name', 'quantity', 'unit_price', 'tax_percent'],
  payments: ['order_id', 'method', 'amount', 'reference', 'details', 'paid_at'],
  stock_movements: ['product_id', 'delta', 'reason', 'order_id', 'moved_at'],
  reviews: ['product_id', 'customer_id', 'rating', 'title', 'body', 'created_at'],
  page_views: ['at', 'path', 'product_id', 'customer_id'],
  audit_log: ['at', 'actor', 'action', 'entity', 'entity_id', 'details'],
} as const satisfies Record<string, readonly string[]>

type OrderTable = Exclude<keyof typeof COLUMNS, 'coupons'>

/** Rows by table, of a few thousand orders and what came of them; in this order their foreign keys hold. */
export type OrderBatch = Record<OrderTable, Value[][]>

type SoldProduct = Pick<GeneratedProduct, 'id' | 'sku' | 'name' | 'price' | 'taxClass'>

export interface OrderHistoryOptions {
  readonly seed: number
  readonly count: number
  readonly batchSize: number
  readonly products: readonly [SoldProduct, ...SoldProduct[]]
  /** The shipping address of each customer; the customer's id is its index + 1. */
  readonly addresses: readonly { readonly [key: string]: string }[]
}

export function* couponRows(): Generator<Value[]> {
  for (const coupon of COUPONS) yield [...coupon, '2020-01-01T00:00:00Z', '2099-12-31T23:59:59.999999Z']
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
    batch.stock_movements.push([productId, delta, 'delivery', null, timestamp(at)])
    if (this.#random.chance(0.1)) {
      const details = { delta, supplier: `S${this.#random.integer(10, 99)}` }
      batch.audit_log.push([timestamp(at), 'warehouse', 'delivery', 'product', String(productId), details])
    }
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
    const [coupon, percent] = random.chance(0.12) ? random.pick(COUPONS as [[string, number, string]]) : [null, 0]
    const sums = totals(
      lines.map(({ product, quantity }) => ({
        unitCents: toCents(product.price),
        quantity,
        taxPercent: taxPercent(product.taxClass),
      })),
      percent,
    )
    const settledAt = Math.min(END_OF_HISTORY - 1, placedAt + random.next() * 5 * DAY)
    batch.orders.push([
      ...[id, `S-${100_000 + id}`, customerId, status, addresses[customerId - 1] ?? {}, ...money(sums), 'EUR', coupon],
      random.chance(0.05)
        ? random.pick(['Please ring twice', 'Als Geschenk verpacken', 'Leave with the neighbour'])
        : null,
      ...[timestamp(placedAt), timestamp(settledAt)],
    ])
    batch.payments.push(payment(random, id, fromCents(sums.total), status, settledAt))

    for (const [index, { product, quantity }] of lines.entries()) {
      const { id: productId, sku, name, price, taxClass } = product
      batch.order_items.push([id, index + 1, productId, sku, name, quantity, price, taxPercent(taxClass).toFixed(2)])
      batch.page_views.push([timestamp(placedAt - random.next() * DAY), `/p/${productId}`, productId, customerId])
      if (status === 'cancelled') continue
      if ((this.#onHand[productId] ?? 0) < quantity) this.#deliver(batch, productId, placedAt - 0.5)
      this.#onHand[productId] = (this.#onHand[productId] ?? 0) - quantity
      batch.stock_movements.push([productId, -quantity, 'sale', id, timestamp(placedAt)])
      if (status === 'delivered' && random.chance(0.12)) this.#review(batch, productId, customerId, settledAt)
    }
  }

  #review(batch: OrderBatch, productId: number, customerId: number, boughtAt: number): void {
    const key = `${productId}:${customerId}`
    if (this.#reviewed.has(key)) return
    this.#reviewed.add(key)
    const at = boughtAt + this.#random.next() * 20 * DAY
    batch.reviews.push([productId, customerId, ...this.#random.pick(REVIEWS), timestamp(at)])
  }
}

function money({ subtotal, discount, shipping, tax, total }: Totals): string[] {
  return [subtotal, discount, shipping, tax, total].map(fromCents)
}

/** One to five different ones, in the order in which they were put into the cart. */
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

function payment(random: Random, orderId: number, amount: string, status: string, paidAt: number): Value[] {
  const method = random.pick(['card', 'card', 'paypal', 'invoice', 'transfer'])
  const paid = status !== 'pending' && status !== 'cancelled'
  const details =
    method === 'card' ? { brand: random.pick(['visa', 'mastercard']), last4: `${random.integer(1000, 9999)}` } : {}
  return [orderId, method, amount, `PAY-${orderId}`, details, paid ? timestamp(paidAt) : null]
}
