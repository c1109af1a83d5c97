import { z } from 'zod'
import { check, id, text } from '../web/validation.ts'
import type { Image, ProductColumns } from './product.ts'

/** Amounts come as text, so that no float rounds them, and leave with two decimals as PostgreSQL gives them back. */
const amount = z
  .string({
    error: issue => (issue.input === undefined ? 'is required' : 'must be an amount in quotes, such as "19.90"'),
  })
  .regex(/^\d{1,10}(\.\d{1,2})?$/, 'must be an amount such as "19.90"')
  .transform(value => {
    const [units = '0', decimals = ''] = value.split('.')
    return `${Number(units)}.${decimals.padEnd(2, '0')}`
  })

const storableJson = (value: unknown): boolean => {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, inner]) => storableJson(key) && storableJson(inner))
}

const image = z.object({ url: text(2_000, 1), alt: text(500).nullish() }, 'must be {url, alt}')

const fields = z.object({
  sku: text(64, 1),
  name: z.object({ en: text(300, 1), de: text(300).nullish(), fr: text(300).nullish() }, 'must be {en, de, fr}'),
  description: z.object({ en: text(100_000).nullish(), de: text(100_000).nullish() }, 'must be {en, de}').optional(),
  category: z
    .object({ id: id.optional(), slug: text(200, 1).optional() }, 'must be {id} or {slug}')
    .refine(category => category.id !== undefined || category.slug !== undefined, 'must be {id} or {slug}'),
  brand: z.object({ id }, 'must be {id} or null').nullish(),
  price: z.object(
    {
      amount,
      currency: z
        .string()
        .regex(/^[A-Z]{3}$/, 'must be a code such as "EUR"')
        .optional(),
      sale: amount.nullish(),
    },
    'must be {amount, currency, sale}',
  ),
  tax_class: z.enum(['standard', 'reduced'], { error: 'must be "standard" or "reduced"' }).nullish(),
  color: text(100).nullish(),
  size: text(100).nullish(),
  weight_g: z.int('must be a whole number of grams').min(0, 'must be 0 or more').max(2_147_483_647).nullish(),
  attributes: z
    .record(z.string(), z.json(), { error: 'must be an object' })
    .refine(storableJson, 'must not contain NUL or broken characters')
    .optional(),
  tags: z.array(text(100, 1), 'must be a list of texts').max(50, 'must have at most 50').optional(),
  images: z.array(image, 'must be a list of {url, alt}').max(50, 'must have at most 50').optional(),
  active: z.boolean('must be true or false').optional(),
})

const patchFields = fields.partial().extend({
  name: fields.shape.name.partial().optional(),
  price: fields.shape.price.partial().optional(),
})

/** What a body asks for: columns as they will be stored, and the two things that need a look into other tables. */
export interface ProductChange {
  readonly columns: Partial<ProductColumns>
  /** By id or by slug; the id wins. */
  readonly category?: { readonly id?: number | undefined; readonly slug?: string | undefined } | undefined
  readonly images?: readonly Image[] | undefined
}

/** What POST and PUT store for everything that the body leaves out. */
const DEFAULTS: Omit<ProductColumns, 'sku' | 'category_id' | 'name_en' | 'price'> = {
  brand_id: null,
  name_de: null,
  name_fr: null,
  description_en: null,
  description_de: null,
  sale_price: null,
  currency: 'EUR',
  tax_class: null,
  color: null,
  size: null,
  weight_g: null,
  attributes: {},
  tags: [],
  image_url: null,
  active: true,
}

/**
 * Reads the whole product that POST or PUT carries; keys that it does not know, such as `id`, are ignored.
 *
 * @throws Problem 422 with every field that is wrong or missing.
 */
export function parseProduct(body: unknown): ProductChange {
  const change = toChange(check(fields, body))
  return { ...change, columns: { ...DEFAULTS, ...change.columns }, images: change.images ?? [] }
}

/** Reads the part of a product that PATCH carries. @throws Problem 422 with every field that is wrong. */
export function parseProductPatch(body: unknown): ProductChange {
  return toChange(check(patchFields, body))
}

function toChange(body: z.output<typeof patchFields>): ProductChange {
  const images = body.images?.map(({ url, alt }) => ({ url, alt: alt ?? null }))
  const columns = {
    sku: body.sku,
    brand_id: body.brand === null ? null : body.brand?.id,
    name_en: body.name?.en,
    name_de: orNull(body.name?.de),
    name_fr: orNull(body.name?.fr),
    description_en: body.description?.en,
    description_de: orNull(body.description?.de),
    price: body.price?.amount,
    sale_price: body.price?.sale,
    currency: body.price?.currency,
    tax_class: body.tax_class,
    color: orNull(body.color),
    size: orNull(body.size),
    weight_g: body.weight_g,
    attributes: body.attributes,
    tags: body.tags,
    image_url: images === undefined ? undefined : (images[0]?.url ?? null),
    active: body.active,
  }
  return { columns: withoutUndefined(columns), category: body.category, images }
}

/** An empty text says that there is none. */
function orNull(value: string | null | undefined): string | null | undefined {
  return value === '' ? null : value
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

function withoutUndefined<T extends object>(value: T): Defined<T> {
  const defined: Defined<T> = {}
  for (const key of Object.keys(value) as (keyof T)[]) {
    const inner = value[key]
    if (inner !== undefined) defined[key] = inner as Exclude<T[keyof T], undefined>
  }
  return defined
}
