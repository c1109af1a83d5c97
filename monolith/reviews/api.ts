import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { requireCustomer } from '../accounts/sessions.ts'
import type { Shop } from '../web/shop.ts'
import { check, id, wholeNumber } from '../web/validation.ts'
import { listReviews, writeReview } from './review-store.ts'

const query = z.object({ product_id: wholeNumber(1, 2_147_483_647) })
const reviewedProduct = z.object({ product_id: id })

export function reviewsApi(app: FastifyInstance, { db, sessions }: Shop): void {
  app.get('/api/reviews', request => listReviews(db, check(query, request.query).product_id))

  app.post('/api/reviews', async (request, reply) => {
    const customer = requireCustomer(await sessions.visitor(request))
    const { product_id } = check(reviewedProduct, request.body)
    await writeReview(db, product_id, customer.id, request.body)
    return reply.code(201).send(await listReviews(db, product_id))
  })
}
