import type { Facts, ItemColumns } from './product.ts'
import type { ProductChange } from './product-body.ts'

/** What POST and PUT start from. The body that they require replaces code, taxon, title and price. */
export const BLANK: ItemColumns = {
  code: '',
  taxon_id: 0,
  maker_id: null,
  titles: {},
  descriptions: {},
  price_minor: '0',
  sale_minor: null,
  currency: 'EUR',
  facts: { attributes: {} },
  labels: [],
  cover_url: null,
  state: 'active',
}

/**
 * The item after a change; what the change does not name stays.
 *
 * @param taxonId the category that the change names, by id or slug, looked up.
 */
export function changed(item: ItemColumns, change: ProductChange, taxonId: number | undefined): ItemColumns {
  const { brand, price, images, active } = change
  return {
    code: change.sku ?? item.code,
    taxon_id: taxonId ?? item.taxon_id,
    maker_id: brand === undefined ? item.maker_id : (brand?.id ?? null),
    titles: merged(item.titles, change.name),
    descriptions: merged(item.descriptions, change.description),
    price_minor: price?.amount ?? item.price_minor,
    sale_minor: price?.sale === undefined ? item.sale_minor : price.sale,
    currency: price?.currency ?? item.currency,
    facts: merged(item.facts, factsOf(change)),
    labels: change.tags ?? item.labels,
    cover_url: images === undefined ? item.cover_url : (images[0]?.url ?? null),
    state: active === undefined ? item.state : active ? 'active' : 'draft',
  }
}

function factsOf({ color, size, weight_g, tax_class, attributes }: ProductChange): MergePatch<Facts> {
  return { color, size, weight_g, tax_class, attributes }
}

type MergePatch<T> = { readonly [Key in keyof T]?: T[Key] | null | undefined }

/** JSON Merge Patch (RFC 7396), one level deep: null takes a key away, undefined leaves it as it is. */
function merged<T extends object>(value: T, patch: MergePatch<T> = {}): T {
  const changes = Object.entries(patch).filter(([, inner]) => inner !== undefined)
  const entries = Object.entries({ ...value, ...Object.fromEntries(changes) })
  return Object.fromEntries(entries.filter(([, inner]) => inner !== null)) as T
}
