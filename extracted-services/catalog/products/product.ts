import { fromMinor } from './money.ts'

/** A text by language; what is not translated has no key. */
export type Translated = Readonly<Partial<Record<'en' | 'de' | 'fr', string>>>

/** What only some items have; what an item has not has no key. */
export interface Facts {
  readonly color?: string
  readonly size?: string
  readonly weight_g?: number
  readonly tax_class?: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** The columns of `catalog.items` that a person edits. Money is hundredths as text. */
export interface ItemColumns {
  readonly code: string
  readonly taxon_id: number
  readonly maker_id: number | null
  readonly titles: Translated
  readonly descriptions: Translated
  readonly price_minor: string
  readonly sale_minor: string | null
  readonly currency: string
  readonly facts: Facts
  readonly labels: readonly string[]
  readonly cover_url: string | null
  readonly state: 'draft' | 'active' | 'archived'
}

export interface Image {
  readonly url: string
  readonly alt: string | null
}

/** A row of `catalog.items` with what belongs to it from the tables around. */
export interface ItemRow extends ItemColumns {
  readonly id: number
  readonly changed_at: string
  readonly taxon_slug: string
  readonly taxon_names: Translated
  readonly maker_name: string | null
  readonly images: readonly Image[]
}

/** A text as the API shows it: English is always there, though it may be empty. */
export interface Translations {
  readonly en: string
  readonly de?: string
  readonly fr?: string
}

/** A product as the API shows it. The order of the keys is the order in the JSON. */
export interface Product {
  readonly id: number
  readonly sku: string
  readonly name: Translations
  readonly description: Translations
  readonly category: { readonly id: number; readonly slug: string; readonly name: Translations }
  readonly brand: { readonly id: number; readonly name: string } | null
  /** Amounts with two decimals: `"19.90"`. */
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

/** Puts the languages in the API's order: jsonb keeps an order of its own. */
export function translations({ en = '', de, fr }: Translated): Translations {
  return { en, ...(de !== undefined && { de }), ...(fr !== undefined && { fr }) }
}

export function toProduct(row: ItemRow): Product {
  const { attributes, color = null, size = null, weight_g = null } = row.facts
  return {
    id: row.id,
    sku: row.code,
    name: translations(row.titles),
    description: translations(row.descriptions),
    category: { id: row.taxon_id, slug: row.taxon_slug, name: translations(row.taxon_names) },
    brand: row.maker_id === null ? null : { id: row.maker_id, name: row.maker_name ?? '' },
    price: {
      amount: fromMinor(row.price_minor),
      currency: row.currency,
      sale: row.sale_minor === null ? null : fromMinor(row.sale_minor),
    },
    attributes,
    color,
    size,
    weight_g,
    tags: row.labels,
    images: row.images,
    active: row.state === 'active',
    updated_at: row.changed_at,
  }
}
