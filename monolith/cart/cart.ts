import type { Knex } from 'knex'
import { z } from 'zod'
import { fromCents, type PricedLine, taxPercent, toCents, totals } from '../orders/money.ts'
import { invalid, notFound } from '../web/problem.ts'
import { check, id, text } from '../web/validation.ts'

export interface CartItem {
  readonly product_id: number
  readonly sku: string
  readonly name: string
  readonly image_url: string | null
  readonly quantity: number
  readonly unit_price: string
  readonly total: string
}

/** Money is text with two decimals. `discount` is 0.00 while the coupon's minimum is not reached. */
export interface Cart {
  readonly items: readonly CartItem[]
  readonly coupon: { readonly code: string; readonly percent: number; readonly minimum_total: string } | null
  readonly subtotal: string
  readonly discount: string
  readonly shipping: string
  readonly tax: string
  readonly total: string
  readonly currency: 'EUR'
}

interface CartRow extends Omit<CartItem, 'total'> {
  readonly tax_class: string | null
}

/** The cart of a session, empty when there is none. What is no longer on sale is left out. */
export async function readCart(db: Knex, sessionHash: Buffer | null): Promise<Cart> {
  if (sessionHash === null) return toCart([], null)
  const [lines, coupon] = await Promise.all([cartLines(db, sessionHash), cartCoupon(db, sessionHash)])
  return toCart(lines, coupon)
}

/** What a cart's lines cost, as `totals` wants them. */
export function pricedLines(lines: readonly CartRow[]): PricedLine[] {
  return lines.map(line => ({
    unitCents: toCents(line.unit_price),
    quantity: line.quantity,
    taxPercent: taxPercent(line.tax_class),
  }))
}

/** The coupon's percentage if the goods reach its minimum, otherwise 0. */
export function discountPercent(lines: readonly PricedLine[], coupon: Cart['coupon']): number {
  return coupon !== null && totals(lines).subtotal >= toCents(coupon.minimum_total) ? coupon.percent : 0
}

function toCart(lines: readonly CartRow[], coupon: Cart['coupon']): Cart {
  const priced = pricedLines(lines)
  const sums = totals(priced, discountPercent(priced, coupon))
  return {
    items: lines.map(({ product_id, sku, name, image_url, quantity, unit_price }) => ({
      product_id,
      sku,
      name,
      image_url,
      quantity,
      unit_price,
      total: fromCents(toCents(unit_price) * quantity),
    })),
    coupon,
    subtotal: fromCents(sums.subtotal),
    discount: fromCents(sums.discount),
    shipping: fromCents(sums.shipping),
    tax: fromCents(sums.tax),
    total: fromCents(sums.total),
    currency: 'EUR',
  }
}

/** In the order in which they were put in. */
export async function cartLines(db: Knex, sessionHash: Buffer): Promise<CartRow[]> {
  const { rows } = await db.raw<{ rows: CartRow[] }>(
    `select p.id as product_id, p.sku, p.name_en as name, p.image_url, i.quantity,
            coalesce(p.sale_price, p.price) as unit_price, p.tax_class
     from carts join cart_items i on i.cart_id = carts.id join products p on p.id = i.product_id
     where carts.session_hash = ? and p.active and p.deleted_at is null
     order by i.added_at, p.id`,
    [sessionHash],
  )
  return rows
}

export async function cartCoupon(db: Knex, sessionHash: Buffer): Promise<Cart['coupon']> {
  const { rows } = await db.raw<{ rows: NonNullable<Cart['coupon']>[] }>(
    `select c.code, c.percent, c.minimum_total from carts join coupons c on c.code = carts.coupon_code
     where carts.session_hash = ? and now() between c.valid_from and c.valid_until`,
    [sessionHash],
  )
  return rows[0] ?? null
}

const MAX_QUANTITY = 99
const quantity = z
  .int({ error: 'must be a whole number' })
  .min(0, 'must be 0 or more')
  .max(MAX_QUANTITY, `must be at most ${MAX_QUANTITY}`)
const addition = z.object({ product_id: id, quantity: quantity.min(1, 'must be 1 or more').default(1) })

/**
 * @param body `{product_id, quantity = 1}`; the quantity is added to what is there, up to 99.
 * @throws Problem 404 when the product is not on sale, 422.
 */
export async function addToCart(db: Knex, sessionHash: Buffer, body: unknown): Promise<void> {
  const { product_id, quantity } = check(addition, body)
  const added = await db.raw<{ rowCount: number }>(
    `insert into cart_items (cart_id, product_id, quantity)
     select :cart, id, :quantity from products where id = :product_id and active and deleted_at is null
     on conflict (cart_id, product_id)
       do update set quantity = least(cart_items.quantity + excluded.quantity, :max)`,
    { cart: await cartId(db, sessionHash), product_id, quantity, max: MAX_QUANTITY },
  )
  if (added.rowCount === 0) throw notFound(`Product ${product_id}`)
}

/** @param body `{quantity}`; 0 takes the product out. @throws Problem 404 when it is not in the cart, 422. */
export async function setQuantity(db: Knex, sessionHash: Buffer, productId: number, body: unknown): Promise<void> {
  const given = check(z.object({ quantity }), body)
  const item = db('cart_items').where({ cart_id: await cartId(db, sessionHash), product_id: productId })
  const found = await (given.quantity === 0 ? item.delete() : item.update({ quantity: given.quantity }))
  if (found === 0) throw notFound(`Product ${productId} in the cart`)
}

/** @param body `{code}`; an empty one takes the coupon off. @throws Problem 422 when it is unknown or not valid now. */
export async function setCoupon(db: Knex, sessionHash: Buffer, body: unknown): Promise<void> {
  const code = check(z.object({ code: text(50) }), body).code.toUpperCase()
  if (code !== '') {
    const valid = await db('coupons').where({ code }).whereRaw('now() between valid_from and valid_until').first()
    if (valid === undefined) throw invalid({ code: 'is not a valid coupon' })
  }
  await db('carts')
    .where({ id: await cartId(db, sessionHash) })
    .update({ coupon_code: code === '' ? null : code })
}

/** The session's cart, made if it has none. */
async function cartId(db: Knex, sessionHash: Buffer): Promise<string> {
  const [cart] = await db('carts')
    .insert({ session_hash: sessionHash })
    .onConflict('session_hash')
    .merge({ updated_at: db.fn.now() })
    .returning<{ id: string }[]>('id')
  if (cart === undefined) throw new Error('an upsert of a cart returned no row')
  return cart.id
}
