import type { Knex } from 'knex'
import { z } from 'zod'
import { findProduct } from '../catalog/product-store.ts'
import { notFound } from '../web/problem.ts'
import { check, text } from '../web/validation.ts'

export interface Review {
  readonly id: number
  readonly rating: number
  readonly title: string
  readonly body: string
  readonly author: string
  readonly created_at: string
}

export interface ReviewSummary {
  /** The newest first, fifty at most. */
  readonly items: readonly Review[]
  /** Of all. */
  readonly count: number
  /** With two decimals, or null when there are none. */
  readonly average: string | null
}

export async function listReviews(db: Knex, productId: number): Promise<ReviewSummary> {
  const [items, { rows }] = await Promise.all([
    db('reviews as r')
      .join('customers as c', 'c.id', 'r.customer_id')
      .where('r.product_id', productId)
      .orderBy([
        { column: 'r.created_at', order: 'desc' },
        { column: 'r.id', order: 'desc' },
      ])
      .limit(50)
      .select<Review[]>('r.id', 'r.rating', 'r.title', 'r.body', 'c.name as author', 'r.created_at'),
    db.raw<{ rows: { count: number; average: string | null }[] }>(
      'select count(*)::int, round(avg(rating), 2)::text as average from reviews where product_id = ?',
      [productId],
    ),
  ])
  return { items, count: rows[0]?.count ?? 0, average: rows[0]?.average ?? null }
}

const schema = z.object({
  rating: z.int({ error: 'must be 1 to 5' }).min(1, 'must be 1 to 5').max(5, 'must be 1 to 5'),
  title: text(200, 1),
  body: text(5_000).default(''),
})

/**
 * A customer has one say about a product: a second review replaces the first.
 *
 * @param body `{rating, title, body?}`
 * @throws Problem 404 when the product is not on sale, 422.
 */
export async function writeReview(db: Knex, productId: number, customerId: number, body: unknown): Promise<void> {
  const review = check(schema, body)
  if ((await findProduct(db, productId)) === null) throw notFound(`Product ${productId}`)
  await db('reviews')
    .insert({ ...review, product_id: productId, customer_id: customerId })
    .onConflict(['product_id', 'customer_id'])
    .merge({ ...review, created_at: db.fn.now() })
}
