import { DEPARTMENTS, type Shelf, type Word } from './assortment.ts'
import type { Row } from './copy.ts'
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

export function categoryRows(): Row[] {
  const updated_at = timestamp(CATALOG_OPENED + 0.25)
  const departments = DEPARTMENTS.map(({ slug, name }, index) => ({ id: index + 1, parent_id: null, slug, name }))
  const shelves = LEAVES.map(({ id, path, name }) => {
    const parent = departments.find(({ slug }) => path.startsWith(`${slug}-`))
    return { id, parent_id: parent?.id ?? null, slug: path, name }
  })
  return [...departments, ...shelves].map(({ id, parent_id, slug, name: [name_en, name_de, name_fr] }) => ({
    id,
    parent_id,
    slug,
    name_en,
    name_de,
    // Some categories came late and were never translated into French.
    name_fr: id % 7 === 0 ? null : name_fr,
    position: id * 10,
    updated_at,
  }))
}

export function brandRows(): Row[] {
  return BRANDS.map(([name, country, website], index) => ({
    id: index + 1,
    name,
    country,
    website,
    updated_at: timestamp(CATALOG_OPENED + index * DAY + 0.5),
  }))
}

/** A product with what orders and pictures need to know of it. */
export interface GeneratedProduct {
  readonly id: number
  readonly sku: string
  readonly name: string
  /** What one costs: the sale price where there is one. */
  readonly price: string
  readonly taxClass: string | null
  readonly row: Row
  /** Rows of `product_images`. */
  readonly images: Row[]
}

export function* products(seed: number, count: number): Generator<GeneratedProduct> {
  const random = createRandom(seed, 'products')
  for (let id = 1; id <= count; id++) yield product(random, id, count)
}

function product(random: Random, id: number, count: number): GeneratedProduct {
  const leaf = random.pick(LEAVES)
  const noun = random.pick(leaf.nouns)
  const material = random.chance(0.6) ? random.pick(MATERIALS) : null
  const collection = random.pick(COLLECTIONS)
  const [name_en, name_de, name_fr] = productName(noun, material, collection)
  const color = random.chance(0.85) ? random.pick(COLORS) : null
  const [price, sale_price] = prices(random, leaf)
  const tax_class = random.chance(0.1) ? null : random.chance(0.1) ? 'reduced' : 'standard'
  const sku = `${leaf.path.slice(0, 3).toUpperCase()}-${String(id).padStart(5, '0')}`
  const pictures = picturesOf(random, id, leaf, color)
  // Nobody had the time to translate everything.
  const hasGerman = random.chance(0.8)
  const createdAt = CATALOG_OPENED + (id / count) * 4 * 365 * DAY + random.next() * DAY
  const updatedAt = createdAt + random.next() * (END_OF_HISTORY - createdAt)
  const row = {
    id,
    sku,
    category_id: leaf.id,
    brand_id: random.chance(0.92) ? random.integer(1, BRANDS.length) : null,
    name_en,
    name_de: hasGerman ? name_de : null,
    name_fr: random.chance(0.65) ? name_fr : null,
    description_en: englishDescription(random, noun, collection),
    description_de: hasGerman ? description(random, noun, collection, 1) : null,
    price,
    sale_price,
    currency: 'EUR',
    tax_class,
    color,
    size: random.chance(0.5) ? random.pick(SIZES) : null,
    weight_g: random.chance(0.9) ? random.integer(...leaf.weights) : null,
    attributes: attributes(random, material),
    tags: random.sample(TAGS, random.chance(0.7) ? random.integer(1, 4) : 0),
    image_url: pictures[0] ?? null,
    active: !random.chance(0.03),
    created_at: timestamp(createdAt),
    updated_at: timestamp(updatedAt),
    deleted_at: random.chance(0.02) ? timestamp(updatedAt) : null,
  }
  const images = pictures.map((url, position) => ({
    product_id: id,
    position,
    url,
    alt: random.chance(0.9) ? name_en : null,
  }))
  return { id, sku, name: name_en, price: sale_price ?? price, taxClass: tax_class, row, images }
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

function picturesOf(random: Random, id: number, leaf: Leaf, color: string | null): string[] {
  const numbers = Array.from({ length: random.integer(1, 3) }, (_, index) => index + 1)
  return numbers.map(number => `/images/${leaf.slug}/${color ?? 'natural'}/${id}-${number}.svg`)
}
