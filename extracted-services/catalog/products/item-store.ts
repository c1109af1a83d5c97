import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import { invalid, notFound } from '../web/problem.ts'
import { type Image, type ItemColumns, type ItemRow, type Product, toProduct } from './product.ts'
import type { ProductChange } from './product-body.ts'
import { BLANK, changed } from './product-change.ts'
import { likePatterns, type ProductQuery, type Sort } from './product-query.ts'

/** Equals come by id; "C" is the order of the bytes, the same in every database. */
const ORDER: Record<Sort, string> = {
  id: 'i.id',
  price: 'i.price_minor, i.id',
  '-price': 'i.price_minor desc, i.id',
  name: `lower(i.titles ->> 'en') collate "C", i.id`,
}

const WHOLE_ITEM = `
  i.id, i.code, i.taxon_id, i.maker_id, i.titles, i.descriptions, i.price_minor, i.sale_minor, i.currency, i.facts,
  i.labels, i.cover_url, i.state, i.changed_at, t.slug as taxon_slug, t.names as taxon_names, m.name as maker_name,
  (select coalesce(json_agg(json_build_object('url', a.url, 'alt', a.caption) order by a.rank), '[]')
   from catalog.item_media a where a.item_id = i.id) as images`

const FROM_ITEMS = `
  catalog.items i join catalog.taxonomy t on t.id = i.taxon_id left join catalog.makers m on m.id = i.maker_id`

export interface ProductPage {
  readonly items: Product[]
  readonly page: number
  readonly per_page: number
  /** Of all pages. */
  readonly total: number
}

/** One page of the products that are on sale. */
export async function listProducts(db: Knex, query: ProductQuery): Promise<ProductPage> {
  const matching = db.from(db.raw(FROM_ITEMS)).where('i.state', 'active')
  if (query.category !== undefined) matching.where('t.slug', query.category)
  if (query.brand !== undefined) matching.where('i.maker_id', query.brand)
  if (query.tag !== undefined) matching.whereRaw('i.labels @> array[?::text]', [query.tag])
  for (const pattern of likePatterns(query.q ?? '')) matching.whereRaw('i.search_text like lower(?)', [pattern])

  const [{ total }, rows] = await Promise.all([
    matching.clone().first<{ total: number }>(db.raw('count(*)::int as total')),
    matching
      .clone()
      .select<ItemRow[]>(db.raw(WHOLE_ITEM))
      .orderByRaw(ORDER[query.sort])
      .limit(query.per_page)
      .offset((query.page - 1) * query.per_page),
  ])
  return { items: rows.map(toProduct), page: query.page, per_page: query.per_page, total }
}

/** The product if it is on sale, or null. */
export async function findProduct(db: Knex, id: number): Promise<Product | null> {
  const item = await findItem(db, id)
  return item?.state === 'active' ? toProduct(item) : null
}

/**
 * Stores a new product.
 *
 * @param change as `parseProduct` gives it.
 * @throws Problem 422 when the SKU is taken or the category or brand does not exist.
 */
export async function insertProduct(db: Knex, change: ProductChange): Promise<Product> {
  return db.transaction(async trx => {
    const columns = changed(BLANK, change, await lookUp(trx, change))
    const inserted = await trx('catalog.items').insert(columns).returning<{ id: number }[]>('id').catch(codeTaken)
    const id = inserted[0]?.id ?? 0
    await replaceMedia(trx, id, change.images)
    return existing(trx, id)
  })
}

/** Stores a whole product over the one with that id. @throws Problem 404 or 422, as `patchProduct` does. */
export function replaceProduct(db: Knex, id: number, change: ProductChange): Promise<Product> {
  return updateProduct(db, id, { ...change, images: change.images ?? [] }, () => BLANK)
}

/**
 * Stores what a change names.
 *
 * @throws Problem 404 when there is no such product or it is archived, 422 as for `insertProduct`.
 */
export function patchProduct(db: Knex, id: number, change: ProductChange): Promise<Product> {
  return updateProduct(db, id, change, item => item)
}

/** @param base what stands in for all that the change does not name. */
async function updateProduct(
  db: Knex,
  id: number,
  change: ProductChange,
  base: (item: ItemRow) => ItemColumns,
): Promise<Product> {
  return db.transaction(async trx => {
    await trx('catalog.items').where({ id }).forUpdate().first('id')
    const before = await findItem(trx, id)
    if (before === null || before.state === 'archived') throw notFound(`Product ${id}`)
    const differing = differences(before, changed(base(before), change, await lookUp(trx, change)))
    const images = change.images?.map(imageOf)
    const newImages = images !== undefined && !isDeepStrictEqual(images, before.images)
    if (Object.keys(differing).length > 0 || newImages) {
      // New pictures alone touch the row too: changed_at speaks for the whole product.
      await trx('catalog.items')
        .where({ id })
        .update({ ...differing, changed_at: trx.raw('clock_timestamp()') })
        .catch(codeTaken)
      if (newImages) await replaceMedia(trx, id, images)
    }
    return existing(trx, id)
  })
}

/** Takes the product off the shelves; its row stays. @throws Problem 404. */
export async function archiveProduct(db: Knex, id: number): Promise<void> {
  const archived = await db('catalog.items')
    .where({ id })
    .whereNot('state', 'archived')
    .update({
      state: 'archived',
      archived_from: db.ref('state'),
      archived_at: db.fn.now(),
      changed_at: db.raw('clock_timestamp()'),
    })
  if (archived === 0) throw notFound(`Product ${id}`)
}

async function findItem(db: Knex, id: number): Promise<ItemRow | null> {
  const { rows } = await db.raw<{ rows: ItemRow[] }>(`select ${WHOLE_ITEM} from ${FROM_ITEMS} where i.id = ?`, [id])
  return rows[0] ?? null
}

async function existing(db: Knex, id: number): Promise<Product> {
  const item = await findItem(db, id)
  if (item === null) throw notFound(`Product ${id}`)
  return toProduct(item)
}

/** The id of the category that the change names. @throws Problem 422 when it or the brand does not exist. */
async function lookUp(db: Knex, { category, brand }: ProductChange): Promise<number | undefined> {
  const fields: Record<string, string> = {}
  let taxonId: number | undefined
  if (category !== undefined) {
    const by = category.id === undefined ? { slug: category.slug } : { id: category.id }
    taxonId = (await db('catalog.taxonomy').where(by).first<{ id: number } | undefined>('id'))?.id
    if (taxonId === undefined) fields.category = 'does not exist'
  }
  if (brand) {
    const maker = await db('catalog.makers').where({ id: brand.id }).first<{ id: number } | undefined>('id')
    if (maker === undefined) fields.brand = 'does not exist'
  }
  if (Object.keys(fields).length > 0) throw invalid(fields)
  return taxonId
}

function differences(before: ItemColumns, after: ItemColumns): Partial<ItemColumns> {
  const names = Object.keys(after) as (keyof ItemColumns)[]
  return Object.fromEntries(
    names.filter(name => !isDeepStrictEqual(before[name], after[name])).map(name => [name, after[name]]),
  )
}

function imageOf({ url, alt = null }: NonNullable<ProductChange['images']>[number]): Image {
  return { url, alt }
}

async function replaceMedia(db: Knex, itemId: number, images: ProductChange['images'] = []): Promise<void> {
  await db('catalog.item_media').where({ item_id: itemId }).delete()
  if (images.length === 0) return
  await db('catalog.item_media').insert(
    images.map(imageOf).map(({ url, alt }, rank) => ({ item_id: itemId, rank, url, caption: alt })),
  )
}

function codeTaken(error: unknown): never {
  const violated = error instanceof Error && 'constraint' in error ? error.constraint : undefined
  if (violated === 'items_code_key') throw invalid({ sku: 'is already in use' })
  throw error
}
