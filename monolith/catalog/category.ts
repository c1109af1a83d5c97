import type { Knex } from 'knex'
import { type Translations, translations } from './product.ts'

export interface Category {
  readonly id: number
  readonly slug: string
  /** The category above, or null at the top. */
  readonly parent_id: number | null
  readonly name: Translations
  readonly position: number
}

export interface Brand {
  readonly id: number
  readonly name: string
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null
  readonly website: string | null
}

interface CategoryRow {
  readonly id: number
  readonly parent_id: number | null
  readonly slug: string
  readonly name_en: string
  readonly name_de: string | null
  readonly name_fr: string | null
  readonly position: number
}

function toCategory(row: CategoryRow): Category {
  return {
    id: row.id,
    slug: row.slug,
    parent_id: row.parent_id,
    name: translations(row.name_en, row.name_de, row.name_fr),
    position: row.position,
  }
}

/** All of them, by position, then id. */
export async function listCategories(db: Knex): Promise<Category[]> {
  const rows = await db<CategoryRow>('categories').orderBy(['position', 'id'])
  return rows.map(toCategory)
}

/** One by its slug with the number of visible products directly in it, or null. */
export async function findCategory(db: Knex, slug: string): Promise<(Category & { product_count: number }) | null> {
  const { rows } = await db.raw<{ rows: (CategoryRow & { product_count: number })[] }>(
    `select c.*, (
       select count(*)::int from products p where p.category_id = c.id and p.active and p.deleted_at is null
     ) as product_count
     from categories c where c.slug = ?`,
    [slug],
  )
  const [row] = rows
  return row === undefined ? null : { ...toCategory(row), product_count: row.product_count }
}

export async function listBrands(db: Knex): Promise<Brand[]> {
  return db<Brand>('brands').select('id', 'name', 'country', 'website').orderBy('id')
}

/** The ids of the category and of all below it. */
export function withDescendants(categories: readonly Category[], id: number): number[] {
  const below = categories.filter(category => category.parent_id === id)
  return [id, ...below.flatMap(category => withDescendants(categories, category.id))]
}
