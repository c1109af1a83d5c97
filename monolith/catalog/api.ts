import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Knex } from 'knex'
import { requireAdmin, type Sessions } from '../accounts/sessions.ts'
import { notFound, unauthorized } from '../web/problem.ts'
import { routeId } from '../web/validation.ts'
import { findCategory, listBrands, listCategories } from './category.ts'
import { parseProduct, parseProductPatch } from './product-body.ts'
import { parseProductQuery } from './product-query.ts'
import { deleteProduct, findProduct, insertProduct, listProducts, updateProduct } from './product-store.ts'

export interface CatalogApiOptions {
  readonly db: Knex
  readonly sessions: Sessions
  /** What `x-api-key` must hold for a write without a session. */
  readonly adminApiKey: string
}

type ById = { Params: { id: string } }

/** The catalog's JSON routes; README.md describes them. */
export function catalogApi(app: FastifyInstance, { db, sessions, adminApiKey }: CatalogApiOptions): void {
  /** Who writes, for the audit log. @throws Problem 401 or 403. */
  const writer = async (request: FastifyRequest): Promise<string> => {
    const key = request.headers['x-api-key']
    if (key === undefined) return requireAdmin(await sessions.visitor(request)).email
    if (typeof key === 'string' && sameSecret(key, adminApiKey)) return 'api-key'
    throw unauthorized('The x-api-key is not valid')
  }

  app.get('/api/products', async request => {
    const { items, page, per_page, total } = await listProducts(db, parseProductQuery(request.query))
    return { items, page, per_page, total }
  })

  app.get<ById>('/api/products/:id', async request => {
    const id = productId(request)
    const product = await findProduct(db, id)
    if (product === null) throw notFound(`Product ${id}`)
    return product
  })

  app.get('/api/categories', () => listCategories(db))

  app.get<{ Params: { slug: string } }>('/api/categories/:slug', async request => {
    const { slug } = request.params
    const category = slug.includes('\0') ? null : await findCategory(db, slug)
    if (category === null) throw notFound(`Category "${slug}"`)
    return category
  })

  app.get('/api/brands', () => listBrands(db))

  app.post('/api/products', async (request, reply) => {
    const actor = await writer(request)
    const product = await insertProduct(db, parseProduct(request.body), actor)
    return reply.code(201).header('location', `/api/products/${product.id}`).send(product)
  })

  app.put<ById>('/api/products/:id', async request => {
    const actor = await writer(request)
    return updateProduct(db, productId(request), parseProduct(request.body), actor)
  })

  app.patch<ById>('/api/products/:id', async request => {
    const actor = await writer(request)
    return updateProduct(db, productId(request), parseProductPatch(request.body), actor)
  })

  app.delete<ById>('/api/products/:id', async (request, reply) => {
    const actor = await writer(request)
    await deleteProduct(db, productId(request), actor)
    return reply.code(204).send()
  })
}

function productId(request: FastifyRequest<ById>): number {
  const id = routeId(request.params.id)
  if (id === null) throw notFound(`Product ${request.params.id}`)
  return id
}

/** Hashed first, because the comparison wants equal lengths and a length would tell something. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
