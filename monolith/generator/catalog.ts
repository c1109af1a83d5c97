import { DEPARTMENTS, type Shelf, type Word } from './assortment.ts'
import type { Value } from './copy.ts'
import { createRandom, type Random } from './random.ts'
import { DAY, END_OF_HISTORY, timestamp } from './timeline.ts'
import { BRANDS, COLLECTIONS, COLORS, MATERIALS, SENTENCES, SIZES, TAGS } from './words.ts'

const CATALOG_OPENED = END_OF_HISTORY - 5 * 365 * DAY

interface Leaf extends Shelf {
  readonly id: number
  /** With the department's slug in front, as the category's slug is. */
  readonly path: string
}

/** The shelves with the ids that their categories get: departments first, then their shelves. */
const LEAVES: readonly Leaf[] = DEPARTMENTS.flatMap(({ slug, shelves }) =>
  shelves.map(shelf => ({ ...shelf, path: `${slug}-${shelf.slug}` })),
).map((shelf, index) => ({ ...shelf, id: DEPARTMENTS.length + index + 1 }))

export const CATEGORY_COLUMNS = ['id', 'parent_id', 'slug', 'name_en', 'name_de', 'name_fr', 'position', 'updated_at']

export function* categoryRows(): Generator<Value[]> {
  const updatedAt = timestamp(CATALOG_OPENED + 0.25)
  for (const [index, { slug, name }] of DEPARTMENTS.entries()) {
    yield [index + 1, null, slug, ...name, (index + 1) * 10, updatedAt]
  }
  for (const leaf of LEAVES) {
    const parent = DEPARTMENTS.findIndex(({ slug }) => leaf.path.startsWith(`${slug}-`)) + 1
    const [en, de, fr] = leaf.name
    // Some categories came late and were never translated into French.
    yield [leaf.id, parent, leaf.path, en, de, leaf.id % 7 === 0 ? null : fr, leaf.id * 10, updatedAt]
  }
}

export const BRAND_COLUMNS = ['id', 'name', 'country', 'website', 'updated_at']

export function* brandRows(): Generator<Value[]> {
  for (const [index, brand] of BRANDS.entries()) {
    yield [index + 1, ...brand, timestamp(CATALOG_OPENED + index * DAY + 0.5)]
  }
}

/** A product with what orders and pictures need to know of it. */
export interface GeneratedProduct {
  readonly id: number
  readonly sku: string
  readonly name: string
  /** What one costs: the sale price where there is one. */
  readonly price: string
  readonly taxClass: string | null
  readonly row: Value[]
  /** Rows of `product_images`. */
  readonly images: Value[][]
}

export const PRODUCT_COLUMNS = [
  ...['id', 'sku', 'category_id', 'brand_id', 'name_en', 'name_de', 'name_fr', 'description_en', 'description_de'],
  ...['price', 'sale_price', 'currency', 'tax_class', 'color', 'size', 'weight_g', 'attributes', 'tags', 'image_url'],
  ...['active', 'created_at', 'updated_at', 'deleted_at'],
]

export const IMAGE_COLUMNS = ['product_id', 'position', 'url', 'alt']

export function* products(seed: number, count: number): Generator<GeneratedProduct> {
  const random = createRandom(seed, 'products')
  for (let id = 1; id <= count; id++) yield product(random, id, count)
}

function product(random: Random, id: number, count: number): GeneratedProduct {
  const leaf = random.pick(LEAVES as [Leaf, ...Leaf[]])
  const noun = random.pick(leaf.nouns)
  const material = random.chance(0.6) ? random.pick(MATERIALS) : null
  const collection = random.pick(COLLECTIONS)
  const [en, de, fr] = productName(noun, material, collection)
  const color = random.chance(0.85) ? random.pick(COLORS) : null
  const [price, salePrice] = prices(random, leaf)
  const taxClass = random.chance(0.1) ? null : random.chance(0.1) ? 'reduced' : 'standard'
  const sku = `${leaf.path.slice(0, 3).toUpperCase()}-${String(id).padStart(5, '0')}`
  const images = pictures(random, id, leaf, color, en)
  // Nobody had the time to translate everything.
  const hasGerman = random.chance(0.8)
  const createdAt = CATALOG_OPENED + (id / count) * 4 * 365 * DAY + random.next() * DAY
  const updatedAt = createdAt + random.next() * (END_OF_HISTORY - createdAt)
  const row = [
    ...[id, sku, leaf.id, random.chance(0.92) ? random.integer(1, BRANDS.length) : null],
    ...[en, hasGerman ? de : null, random.chance(0.65) ? fr : null],
    ...[englishDescription(random, noun, collection), hasGerman ? description(random, noun, collection, 1) : null],
    ...[price, salePrice, 'EUR', taxClass, color, random.chance(0.5) ? random.pick(SIZES) : null],
    random.chance(0.9) ? random.integer(...leaf.weights) : null,
    attributes(random, material),
    random.sample(TAGS, random.chance(0.7) ? random.integer(1, 4) : 0),
    String(images[0]?.[2]),
    !random.chance(0.03),
    ...[timestamp(createdAt), timestamp(updatedAt), random.chance(0.02) ? timestamp(updatedAt) : null],
  ]
  return { id, sku, name: en, price: salePrice ?? price, taxClass, row, images }
}

function productName(noun: Word, material: Word | null, collection: string): Word {
  if (material === null) return [`${collection} ${noun[0]}`, `${noun[1]} ${collection}`, `${noun[2]} ${collection}`]
  return [
    `${collection} ${material[0]} ${noun[0]}`,
    `${noun[1]} ${collection} ${material[1]}`,
    `${noun[2]} ${collection} ${material[2]}`,
  ]
}

/** Cheap ones are more common than dear ones; one in six is on sale. */
function prices(random: Random, { prices: [cheapest, dearest] }: Shelf): [price: string, salePrice: string | null] {
  const euros = Math.floor(cheapest + (dearest - cheapest) * random.next() ** 2.2)
  const price = `${euros}.${random.pick(['90', '95', '00', '50', '99'])}`
  const sale = Math.floor(euros * (0.6 + random.next() * 0.3))
  return [price, random.chance(0.16) && sale > 0 ? `${sale}.90` : null]
}

/** Free-form, as it grew: the same fact under more than one key, numbers as numbers or as text. */
function attributes(random: Random, material: Word | null): { [key: string]: unknown } {
  return {
    ...(material !== null && { material: material[0].toLowerCase() }),
    ...(random.chance(0.4) && { dishwasher_safe: random.chance(0.5) }),
    ...(random.chance(0.3) && {
      dimensions: {
        width_cm: random.integer(4, 90),
        height_cm: random.integer(3, 120),
        depth_cm: random.integer(4, 60),
      },
    }),
    ...(random.chance(0.2) && {
      warranty_years: random.chance(0.5) ? random.integer(1, 10) : `${random.integer(1, 10)}`,
    }),
    ...(random.chance(0.15) && { care: random.sample(['hand wash', 'wipe clean', 'oil yearly', 'keep dry'], 2) }),
    ...(random.chance(0.1) && { ean: `40${String(random.integer(0, 99_999)).padStart(11, '0')}` }),
    ...(random.chance(0.03) && { note: 'say "hello"\tto our\\their studio' }),
  }
}

function description(random: Random, noun: Word, collection: string, language: 0 | 1): string {
  return random
    .sample(SENTENCES, random.integer(2, 5))
    .map(sentence => sentence[language].replaceAll('{noun}', noun[language]).replaceAll('{collection}', collection))
    .join(' ')
}

/** One in eight has a long text; one in fifty carries a certificate that no compression makes small. */
function englishDescription(random: Random, noun: Word, collection: string): string {
  const paragraphs = Array.from({ length: random.chance(0.125) ? random.integer(6, 12) : 1 }, () =>
    description(random, noun, collection, 0),
  )
  if (random.chance(0.02)) paragraphs.push(`Certificate of conformity\n${certificate(random)}`)
  return paragraphs.join('\n\n')
}

function certificate(random: Random): string {
  const bytes = Buffer.alloc(random.integer(6_500, 9_500))
  for (let offset = 0; offset + 4 <= bytes.length; offset += 4) bytes.writeUInt32LE(random.next() * 2 ** 32, offset)
  return bytes.toString('base64').replace(/.{76}/g, '$&\n')
}

function pictures(random: Random, id: number, leaf: Leaf, color: string | null, name: string): Value[][] {
  return Array.from({ length: random.integer(1, 3) }, (_, position) => [
    id,
    position,
    `/images/${leaf.slug}/${color ?? 'natural'}/${id}-${position + 1}.svg`,
    random.chance(0.9) ? name : null,
  ])
}
