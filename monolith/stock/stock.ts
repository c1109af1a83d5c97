import type { Knex } from 'knex'
import { z } from 'zod'
import { audit } from '../database/audit.ts'
import { notFound } from '../web/problem.ts'
import { check } from '../web/validation.ts'

export interface StockLevel {
  readonly product_id: number
  readonly on_hand: number
  /** Of the last movement; null when there was none. */
  readonly updated_at: string | null
}

/** @throws Problem 404 when there is no such product; a deleted one still lies in the warehouse. */
export async function stockLevel(db: Knex, productId: number): Promise<StockLevel> {
  const level = await db('products as p')
    .leftJoin('stock_levels as l', 'l.product_id', 'p.id')
    .where('p.id', productId)
    .first<StockLevel | undefined>(
      'p.id as product_id',
      db.raw('coalesce(l.on_hand, 0) as on_hand'),
      'l.updated_at as updated_at',
    )
  if (level === undefined) throw notFound(`Product ${productId}`)
  return level
}

const LIMIT = 100_000
const schema = z.object({
  delta: z
    .int({ error: 'must be a whole number' })
    .min(-LIMIT, `must be at least -${LIMIT}`)
    .max(LIMIT, `must be at most ${LIMIT}`)
    .refine(delta => delta !== 0, 'must not be 0'),
  reason: z.enum(['delivery', 'return', 'correction'], { error: 'must be one of delivery, return, correction' }),
})

/** @param body `{delta, reason}` @throws Problem 404, 422. */
export async function moveStock(db: Knex, productId: number, body: unknown, actor: string): Promise<StockLevel> {
  const movement = check(schema, body)
  return db.transaction(async trx => {
    await stockLevel(trx, productId)
    await trx('stock_movements').insert({ ...movement, product_id: productId })
    await audit(trx, actor, movement.reason, 'product', productId, { delta: movement.delta })
    return stockLevel(trx, productId)
  })
}
