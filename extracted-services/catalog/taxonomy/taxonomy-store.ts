import type { Knex } from 'knex'
import { type Translated, type Translations, translations } from '../products/product.ts'

/** A category as the API shows it. */
export interface Category {
  readonly id: number
  readonly slug: string
  /** The category above, or null at the top. */
  readonly parent_id: number | null
  readonly name: Translations
  readonly position: number
}

/** A brand as the API shows it. */
export interface Brand {
  readonly id: number
  readonly name: string
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null
  readonly website: string | null
}

interface TaxonRow {
  readonly id: number
  readonly parent_id: number | null
  readonly slug: string
  readonly names: Translated
  readonly rank: number
}

function toCategory({ id, slug, parent_id, names, rank }: TaxonRow): Category {
  return { id, slug, parent_id, name: translations(names), position: rank }
}

/** All of them, by position, then id. */
export async function listCategories(db: Knex): Promise<Category[]> {
  const rows = await db<TaxonRow>('catalog.taxonomy').orderBy(['rank', 'id'])
  return rows.map(toCategory)
}

/** One by its slug with the number of products on sale directly in it, or null. */
export async function findCategory(db: Knex, slug: string): Promise<(Category & { product_count: number }) | null> {
  const { rows } = await db.raw<{ rows: (TaxonRow & { product_count: number })[] }>(
    `select t.*, (
       select count(*)::int from catalog.items i where i.taxon_id = t.id and i.state = 'active'
     ) as product_count
     from catalog.taxonomy t where t.slug = ?`,
    [slug],
  )
  const [row] = rows
  return row === undefined ? null : { ...toCategory(row), product_count: row.product_count }
}

export async function listBrands(db: Knex): Promise<Brand[]> {
  return db('catalog.makers').select({ id: 'id', name: 'name', country: 'origin', website: 'homepage' }).orderBy('id')
}
