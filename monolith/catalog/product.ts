import type { Category } from './category.ts'

/** A text by language. English is always there, though it may be empty; what is not translated is left out. */
export interface Translations {
  readonly en: string
  readonly de?: string
  readonly fr?: string
}

export interface Image {
  readonly url: string
  readonly alt: string | null
}

/** A product as the JSON API shows it and the pages read it. The order of the keys is the order in the JSON. */
export interface Product {
  readonly id: number
  readonly sku: string
  readonly name: Translations
  readonly description: Omit<Translations, 'fr'>
  readonly category: Pick<Category, 'id' | 'slug' | 'name'>
  readonly brand: { readonly id: number; readonly name: string } | null
  readonly price: { readonly amount: string; readonly currency: string; readonly sale: string | null }
  readonly attributes: Readonly<Record<string, unknown>>
  readonly color: string | null
  readonly size: string | null
  readonly weight_g: number | null
  readonly tags: readonly string[]
  readonly images: readonly Image[]
  readonly active: boolean
  /** ISO 8601 in UTC with six decimals. */
  readonly updated_at: string
}

/** The columns of `products` that a person edits. Amounts are text with two decimals. */
export interface ProductColumns {
  readonly sku: string
  readonly category_id: number
  readonly brand_id: number | null
  readonly name_en: string
  readonly name_de: string | null
  readonly name_fr: string | null
  readonly description_en: string | null
  readonly description_de: string | null
  readonly price: string
  readonly sale_price: string | null
  readonly currency: string
  readonly tax_class: string | null
  readonly color: string | null
  readonly size: string | null
  readonly weight_g: number | null
  readonly attributes: Readonly<Record<string, unknown>>
  readonly tags: readonly string[]
  readonly image_url: string | null
  readonly active: boolean
}

/** A row of `products` with what belongs to it from the tables around. */
export interface ProductRow extends ProductColumns {
  readonly id: number
  readonly created_at: string
  readonly updated_at: string
  readonly deleted_at: string | null
  readonly category_slug: string
  readonly category_name_en: string
  readonly category_name_de: string | null
  readonly category_name_fr: string | null
  readonly brand_name: string | null
  readonly images: readonly Image[]
}

/** What a customer pays for one: the sale price where there is one. */
export function priceToPay(product: Product): string {
  return product.price.sale ?? product.price.amount
}

/** Leaves out the languages that are missing. */
export function translations(en: string | null, de: string | null, fr: string | null = null): Translations {
  return { en: en ?? '', ...(de !== null && { de }), ...(fr !== null && { fr }) }
}

export function toProduct(row: ProductRow): Product {
  return {
    id: row.id,
    sku: row.sku,
    name: translations(row.name_en, row.name_de, row.name_fr),
    description: translations(row.description_en, row.description_de),
    category: {
      id: row.category_id,
      slug: row.category_slug,
      name: translations(row.category_name_en, row.category_name_de, row.category_name_fr),
    },
    brand: row.brand_id === null ? null : { id: row.brand_id, name: row.brand_name ?? '' },
    price: { amount: row.price, currency: row.currency, sale: row.sale_price },
    attributes: row.attributes,
    color: row.color,
    size: row.size,
    weight_g: row.weight_g,
    tags: row.tags,
    images: row.images,
    active: row.active,
    updated_at: row.updated_at,
  }
}
