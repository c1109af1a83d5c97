import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { notFound } from '../web/problem.ts'
import { findCategory, listBrands, listCategories } from './taxonomy-store.ts'

/** /api/categories and /api/brands: what products are sorted by. */
export function taxonomyApi(app: FastifyInstance, { db }: { db: Knex }): void {
  app.get('/api/categories', () => listCategories(db))

  app.get<{ Params: { slug: string } }>('/api/categories/:slug', async request => {
    const { slug } = request.params
    // PostgreSQL's texts cannot hold NUL, so no category is called that.
    const category = slug.includes('\0') ? null : await findCategory(db, slug)
    if (category === null) throw notFound(`Category "${slug}"`)
    return category
  })

  app.get('/api/brands', () => listBrands(db))
}
