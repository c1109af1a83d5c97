import fc from 'fast-check'
import type { Knex } from 'knex'

/** Text that PostgreSQL stores, with what trips up quoting, JSON, COPY and LIKE. */
const storable = fc.string({ unit: 'binary' }).filter(value => !value.includes('\0'))
const awkward = fc.constantFrom(
  '',
  ' ',
  '\\N',
  '\\',
  `O'Neil "x"`,
  '%_\\%',
  'a\tb\nc\rd',
  'ÄÖÜ ß İ',
  '茶壺 🫖',
  '{"a":1}',
  '\u2028',
)
const text = fc.oneof(awkward, storable)
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })

/** jsonb keeps numbers as decimals, but they leave JavaScript as doubles; more than that is the database's own test. */
const json = fc
  .jsonValue()
  .filter(value => !JSON.stringify(value).includes('\\u0000') && JSON.stringify(value).isWellFormed())

const cents = fc
  .integer({ min: 0, max: 999_999_999_999 })
  .map(amount => `${Math.trunc(amount / 100)}.${String(amount % 100).padStart(2, '0')}`)
const timestamp = fc.oneof(
  fc.constantFrom('2026-03-29T01:30:00.000001Z', '1969-12-31T23:59:59.999999Z', '1999-12-31T23:59:59Z'),
  fc
    .date({ min: new Date('1900-01-01'), max: new Date('2200-01-01'), noInvalidDate: true })
    .map(date => date.toISOString()),
)

export const oddProduct = fc.record({
  name_en: text,
  name_de: nullable(text),
  name_fr: nullable(text),
  description_en: nullable(text),
  description_de: nullable(text),
  price: cents,
  sale_price: nullable(cents),
  currency: fc.constantFrom('EUR', 'CHF', 'X', ''),
  tax_class: nullable(text),
  color: nullable(text),
  size: nullable(text),
  weight_g: nullable(fc.integer({ min: -2_147_483_648, max: 2_147_483_647 })),
  attributes: json,
  tags: fc.array(nullable(text), { maxLength: 4 }),
  image_url: nullable(text),
  active: fc.boolean(),
  has_brand: fc.boolean(),
  created_at: timestamp,
  updated_at: timestamp,
  deleted_at: nullable(timestamp),
  images: fc.array(fc.record({ url: text, alt: nullable(text) }), { maxLength: 3 }),
})

export type OddProduct = typeof oddProduct extends fc.Arbitrary<infer Value> ? Value : never

export const oddCategory = fc.record({
  name_en: text,
  name_de: nullable(text),
  name_fr: nullable(text),
  position: fc.integer({ min: -5, max: 5 }),
})
export type OddCategory = typeof oddCategory extends fc.Arbitrary<infer Value> ? Value : never

/** Adds a category, a brand and the products to the monolith's tables; SKUs and slugs are made unique by `prefix`. */
export async function insertOddRows(
  shop: Knex,
  prefix: string,
  category: OddCategory,
  products: readonly OddProduct[],
): Promise<void> {
  const [taxon] = await shop('categories')
    .insert({ ...category, slug: `${prefix}/ä '"%2F` })
    .returning<{ id: number }[]>('id')
  const [brand] = await shop('brands')
    .insert({ name: `${prefix} & "Söhne"`, country: 'D', website: null })
    .returning<{ id: number }[]>('id')
  for (const [index, { has_brand, images, attributes, ...columns }] of products.entries()) {
    const [product] = await shop('products')
      .insert({
        ...columns,
        attributes: JSON.stringify(attributes),
        sku: `${prefix}'${index}\\`,
        category_id: taxon?.id,
        brand_id: has_brand ? brand?.id : null,
      })
      .returning<{ id: number }[]>('id')
    if (images.length > 0) {
      await shop('product_images').insert(
        // Positions are the shop's to choose: not all start at 0.
        images.map((image, position) => ({ ...image, product_id: product?.id, position: position * 7 - 3 })),
      )
    }
  }
}
