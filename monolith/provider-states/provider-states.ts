import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { z } from 'zod'
import { Problem } from '../web/problem.ts'
import { check, id, text } from '../web/validation.ts'

/** Brings the database into the state that a contract's interaction starts from. May be called again and again. */
type State = (db: Knex, params: unknown) => Promise<void>

const CATEGORY = { id: 9001, slug: 'contract-teapots' }
const BRAND = { id: 9001, name: 'Contract Pottery' }

const STATES: Record<string, State> = {
  async 'a product exists'(db, params) {
    const product = check(
      z.object({ id, sku: text(64, 1).optional(), name: text(300, 1).optional(), price: text(14, 1).optional() }),
      params,
    )
    const categoryId = await upsertCategory(db, CATEGORY)
    await upsertBrand(db, BRAND)
    await upsertProduct(db, { ...product, categoryId })
  },

  async 'no product with that id'(db, params) {
    const { id: productId } = check(z.object({ id }), params)
    await db('products').where({ id: productId, deleted_at: null }).update({ deleted_at: db.fn.now() })
  },

  async 'products in a category exist'(db, params) {
    const count = z.int('must be a whole number').min(0, 'must be 0 or more').max(1_000, 'must be at most 1000')
    const wanted = check(z.object({ slug: text(200, 1), count }), params)
    const categoryId = await upsertCategory(db, { id: CATEGORY.id + 1, slug: wanted.slug })
    await upsertBrand(db, BRAND)
    await db('products')
      .where({ category_id: categoryId, deleted_at: null })
      .where(other => other.where('id', '<', 9_100).orWhere('id', '>=', 9_100 + wanted.count))
      .update({ deleted_at: db.fn.now() })
    for (let index = 0; index < wanted.count; index++) await upsertProduct(db, { id: 9_100 + index, categoryId })
  },

  async 'categories exist'(db) {
    const parentId = await upsertCategory(db, { id: CATEGORY.id - 1, slug: 'contract-kitchen' })
    await upsertCategory(db, { ...CATEGORY, parentId })
  },

  async 'brands exist'(db) {
    await upsertBrand(db, BRAND)
  },

  async 'the catalog is empty'(db) {
    // Everything that refers to a product goes with it; README.md warns of that.
    await db.raw('truncate products, product_images, categories, brands cascade')
  },
}

const body = z.object({
  state: text(200, 1),
  params: z.record(z.string(), z.unknown(), { error: 'must be an object' }).default({}),
  action: z.enum(['setup', 'teardown'], { error: 'must be "setup" or "teardown"' }).default('setup'),
})

/** `POST /_pact/provider-states`, as the verifier of Pact calls it. A teardown leaves everything: states are idempotent. */
export function providerStateRoutes(app: FastifyInstance, db: Knex): void {
  app.post('/_pact/provider-states', async request => {
    const { state: name, params, action } = check(body, request.body)
    const state = Object.hasOwn(STATES, name) ? STATES[name] : undefined
    if (state === undefined) {
      const known = Object.keys(STATES).map(other => `"${other}"`)
      throw new Problem(400, 'unknown_state', `There is no state "${name}"; known are ${known.join(', ')}`)
    }
    if (action === 'setup') await db.transaction(trx => state(trx, params))
    return {}
  })
}

interface CategoryState {
  /** Of a new row; one that has the slug already keeps its own. */
  readonly id: number
  readonly slug: string
  readonly parentId?: number
}

async function upsertCategory(db: Knex, { id, slug, parentId }: CategoryState): Promise<number> {
  const names = { name_en: 'Teapots', name_de: 'Teekannen', name_fr: 'Théières' }
  const [row] = await db('categories')
    .insert({ id, slug, parent_id: parentId ?? null, ...names, position: 10 })
    .onConflict('slug')
    .merge(['parent_id'])
    .returning<{ id: number }[]>('id')
  await moveSequence(db, 'categories')
  return row?.id ?? id
}

async function upsertBrand(db: Knex, brand: { readonly id: number; readonly name: string }): Promise<void> {
  await db('brands')
    .insert({ ...brand, country: 'DE', website: 'https://contract.example' })
    .onConflict('id')
    .merge()
  await moveSequence(db, 'brands')
}

interface ProductState {
  readonly id: number
  readonly sku?: string | undefined
  readonly name?: string | undefined
  readonly price?: string | undefined
  readonly categoryId: number
}

async function upsertProduct(db: Knex, { id, sku, name, price, categoryId }: ProductState): Promise<void> {
  const image = { product_id: id, position: 0, url: `/images/teapots/blue/${id}-1.svg`, alt: 'A blue teapot' }
  await db('products')
    .insert({
      id,
      sku: sku ?? `CONTRACT-${id}`,
      category_id: categoryId,
      brand_id: BRAND.id,
      name_en: name ?? 'Contract Teapot',
      name_de: 'Vertragskanne',
      name_fr: 'Théière du contrat',
      description_en: 'A teapot that holds what was agreed.',
      description_de: 'Eine Kanne, die hält, was abgemacht ist.',
      price: price ?? '19.90',
      sale_price: '14.90',
      currency: 'EUR',
      tax_class: 'standard',
      color: 'blue',
      size: '1 l',
      weight_g: 820,
      attributes: { material: 'stoneware', dishwasher_safe: true },
      tags: ['gift', 'new'],
      image_url: image.url,
      active: true,
      deleted_at: null,
    })
    .onConflict('id')
    .merge()
  await db('product_images').where({ product_id: id }).delete()
  await db('product_images').insert(image)
  await moveSequence(db, 'products')
}

/** The next row that the shop makes gets an id above those that the states chose. */
async function moveSequence(db: Knex, table: 'products' | 'categories' | 'brands'): Promise<void> {
  await db.raw(`select setval(pg_get_serial_sequence('${table}', 'id'), (select max(id) from ${table}))`)
}
