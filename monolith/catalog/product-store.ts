import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import { audit } from '../database/audit.ts'
import { invalid, notFound } from '../web/problem.ts'
import { type Image, type Product, type ProductColumns, type ProductRow, toProduct } from './product.ts'
import type { ProductChange } from './product-body.ts'
import { likePatterns, type ProductQuery, type Sort } from './product-query.ts'

const ORDER: Record<Sort, string> = {
  id: 'p.id',
  price: 'p.price, p.id',
  '-price': 'p.price desc, p.id',
  name: 'lower(p.name_en) collate "C", p.id',
}

/** `p.*` and what belongs to a product from the tables around it. */
const WHOLE_PRODUCT = `
  p.*, c.slug as category_slug, c.name_en as category_name_en, c.name_de as category_name_de,
  c.name_fr as category_name_fr, b.name as brand_name,
  (select coalesce(json_agg(json_build_object('url', i.url, 'alt', i.alt) order by i.position), '[]')
   from product_images i where i.product_id = p.id) as images`

const FROM_PRODUCTS = 'products p join categories c on c.id = p.category_id left join brands b on b.id = p.brand_id'

export interface ProductPage {
  readonly items: Product[]
  readonly page: number
  readonly per_page: number
  /** Of all pages. */
  readonly total: number
}

/** Which products a list looks at: the public sees only what is on sale; the back office sees everything. */
export type Audience = 'public' | 'back-office'

/**
 * One page of products. The slug in `query.category` means that category itself.
 *
 * @param categoryIds looks at these categories instead, as a page about a whole branch does.
 */
export async function listProducts(
  db: Knex,
  query: ProductQuery,
  options: { readonly audience?: Audience; readonly categoryIds?: readonly number[] } = {},
): Promise<ProductPage & { readonly rows: readonly ProductRow[] }> {
  const matching = (products: Knex.QueryBuilder) => {
    if (options.audience !== 'back-office') products.whereRaw('p.active and p.deleted_at is null')
    if (options.categoryIds !== undefined) products.whereIn('p.category_id', [...options.categoryIds])
    if (query.category !== undefined)
      products.whereRaw('p.category_id = (select id from categories where slug = ?)', [query.category])
    if (query.brand !== undefined) products.where('p.brand_id', query.brand)
    if (query.tag !== undefined) products.whereRaw('p.tags @> array[?::text]', [query.tag])
    for (const pattern of likePatterns(query.q ?? '')) products.whereRaw('p.search_text like lower(?)', [pattern])
  }
  const [counted, rows] = await Promise.all([
    db('products as p').modify(matching).first<{ total: number }>(db.raw('count(*)::int as total')),
    db
      .from(db.raw(FROM_PRODUCTS))
      .modify(matching)
      .select<ProductRow[]>(db.raw(WHOLE_PRODUCT))
      .orderByRaw(ORDER[query.sort])
      .limit(query.per_page)
      .offset((query.page - 1) * query.per_page),
  ])
  return { items: rows.map(toProduct), page: query.page, per_page: query.per_page, total: counted.total, rows }
}

/** The product that the public may see, or null. */
export async function findProduct(db: Knex, id: number): Promise<Product | null> {
  const row = await findProductRow(db, id)
  return row === null || !row.active || row.deleted_at !== null ? null : toProduct(row)
}

/** The row whatever its state, or null. */
export async function findProductRow(db: Knex, id: number): Promise<ProductRow | null> {
  const { rows } = await db.raw<{ rows: ProductRow[] }>(
    `select ${WHOLE_PRODUCT} from ${FROM_PRODUCTS} where p.id = ?`,
    [id],
  )
  return rows[0] ?? null
}

/**
 * Stores a new product.
 *
 * @param change as `parseProduct` gives it.
 * @throws Problem 422 when the SKU is taken or the category or brand does not exist.
 */
export async function insertProduct(db: Knex, change: ProductChange, actor: string): Promise<Product> {
  return db.transaction(async trx => {
    const columns = await resolve(trx, change)
    const { id } = await trx('products')
      .insert(columns)
      .returning<{ id: number }[]>('id')
      .then(([row]) => row ?? { id: 0 })
      .catch(skuTaken)
    await replaceImages(trx, id, change.images ?? [])
    await audit(trx, actor, 'create', 'product', id, { sku: columns.sku })
    return existing(trx, id)
  })
}

/**
 * Stores what differs from the row; the columns that stay the same are not written.
 *
 * @throws Problem 404 when there is no such product or it is deleted, 422 as for `insertProduct`.
 */
export async function updateProduct(db: Knex, id: number, change: ProductChange, actor: string): Promise<Product> {
  return db.transaction(async trx => {
    await trx('products').where({ id }).forUpdate().first('id')
    const before = await findProductRow(trx, id)
    if (before === null || before.deleted_at !== null) throw notFound(`Product ${id}`)
    const changed = differences(before, await resolve(trx, change))
    const newImages = change.images !== undefined && !isDeepStrictEqual(change.images, before.images)
    if (Object.keys(changed).length > 0 || newImages) {
      // New pictures alone touch the row too: updated_at speaks for the whole product.
      await trx('products')
        .where({ id })
        .update({ ...changed, updated_at: before.updated_at })
        .catch(skuTaken)
      if (newImages) await replaceImages(trx, id, change.images)
      await audit(trx, actor, 'update', 'product', id, { columns: Object.keys(changed) })
    }
    return existing(trx, id)
  })
}

/** Takes the product off the shelves; orders and reviews keep pointing at the row. @throws Problem 404. */
export async function deleteProduct(db: Knex, id: number, actor: string): Promise<void> {
  await db.transaction(async trx => {
    const deleted = await trx('products').where({ id, deleted_at: null }).update({ deleted_at: trx.fn.now() })
    if (deleted === 0) throw notFound(`Product ${id}`)
    await audit(trx, actor, 'delete', 'product', id)
  })
}

/** Puts a deleted product back. @throws Problem 404 when it is not deleted. */
export async function restoreProduct(db: Knex, id: number, actor: string): Promise<void> {
  await db.transaction(async trx => {
    const restored = await trx('products').where({ id }).whereNotNull('deleted_at').update({ deleted_at: null })
    if (restored === 0) throw notFound(`Deleted product ${id}`)
    await audit(trx, actor, 'restore', 'product', id)
  })
}

async function existing(db: Knex, id: number): Promise<Product> {
  const row = await findProductRow(db, id)
  if (row === null) throw notFound(`Product ${id}`)
  return toProduct(row)
}

/** The columns to store, with the ids of what the change names. */
async function resolve(db: Knex, { columns, category }: ProductChange): Promise<Partial<ProductColumns>> {
  const fields: Record<string, string> = {}
  let categoryId: number | undefined
  if (category !== undefined) {
    const by = category.id === undefined ? { slug: category.slug } : { id: category.id }
    categoryId = (await db('categories').where(by).first<{ id: number } | undefined>('id'))?.id
    if (categoryId === undefined) fields.category = 'does not exist'
  }
  if (typeof columns.brand_id === 'number') {
    const brand = await db('brands').where({ id: columns.brand_id }).first<{ id: number } | undefined>('id')
    if (brand === undefined) fields.brand = 'does not exist'
  }
  if (Object.keys(fields).length > 0) throw invalid(fields)
  return { ...columns, ...(categoryId !== undefined && { category_id: categoryId }) }
}

function differences(before: ProductRow, columns: Partial<ProductColumns>): Partial<ProductColumns> {
  const stored: ProductColumns = before
  const names = Object.keys(columns) as (keyof ProductColumns)[]
  return Object.fromEntries(
    names.filter(name => !isDeepStrictEqual(stored[name], columns[name])).map(name => [name, columns[name]]),
  )
}

async function replaceImages(db: Knex, productId: number, images: readonly Image[] = []): Promise<void> {
  await db('product_images').where({ product_id: productId }).delete()
  if (images.length === 0) return
  await db('product_images').insert(
    images.map((image, position) => ({ product_id: productId, position, url: image.url, alt: image.alt })),
  )
}

function skuTaken(error: unknown): never {
  const violated = error instanceof Error && 'constraint' in error ? error.constraint : undefined
  if (violated === 'products_sku_key') throw invalid({ sku: 'is already in use' })
  throw error
}
