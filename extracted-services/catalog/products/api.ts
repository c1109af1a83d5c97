import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Knex } from 'knex'
import { requireApiKey } from '../web/api-key.ts'
import { notFound } from '../web/problem.ts'
import { routeId } from '../web/validation.ts'
import { archiveProduct, findProduct, insertProduct, listProducts, patchProduct, replaceProduct } from './item-store.ts'
import { parseProduct, parseProductPatch } from './product-body.ts'
import { parseProductQuery } from './product-query.ts'

type ById = { Params: { id: string } }

/** /api/products: what is on sale, and the back office's writes. */
export function productsApi(app: FastifyInstance, { db, adminApiKey }: { db: Knex; adminApiKey: string }): void {
  app.get('/api/products', request => listProducts(db, parseProductQuery(request.query)))

  app.get<ById>('/api/products/:id', async request => {
    const id = productId(request)
    const product = await findProduct(db, id)
    if (product === null) throw notFound(`Product ${id}`)
    return product
  })

  app.post('/api/products', async (request, reply) => {
    requireApiKey(request, adminApiKey)
    const product = await insertProduct(db, parseProduct(request.body))
    return reply.code(201).header('location', `/api/products/${product.id}`).send(product)
  })

  app.put<ById>('/api/products/:id', async request => {
    requireApiKey(request, adminApiKey)
    return replaceProduct(db, productId(request), parseProduct(request.body))
  })

  app.patch<ById>('/api/products/:id', async request => {
    requireApiKey(request, adminApiKey)
    return patchProduct(db, productId(request), parseProductPatch(request.body))
  })

  app.delete<ById>('/api/products/:id', async (request, reply) => {
    requireApiKey(request, adminApiKey)
    await archiveProduct(db, productId(request))
    return reply.code(204).send()
  })
}

function productId(request: FastifyRequest<ById>): number {
  const id = routeId(request.params.id)
  if (id === null) throw notFound(`Product ${request.params.id}`)
  return id
}
