import type { FastifyInstance } from 'fastify'
import { requireAdmin } from '../accounts/sessions.ts'
import { notFound } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { routeId } from '../web/validation.ts'
import { moveStock, stockLevel } from './stock.ts'

type ByProduct = { Params: { productId: string } }

export function stockApi(app: FastifyInstance, { db, sessions }: Shop): void {
  app.get<ByProduct>('/api/stock/:productId', request => stockLevel(db, productId(request.params.productId)))

  app.post<ByProduct>('/api/stock/:productId/movements', async (request, reply) => {
    const admin = requireAdmin(await sessions.visitor(request))
    const level = await moveStock(db, productId(request.params.productId), request.body, admin.email)
    return reply.code(201).send(level)
  })
}

function productId(text: string): number {
  const id = routeId(text)
  if (id === null) throw notFound(`Product ${text}`)
  return id
}
