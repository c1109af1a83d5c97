import { z } from 'zod'
import { check, id, text } from '../web/validation.ts'
import { toMinor } from './money.ts'

/** Amounts come as text, so that no float rounds them, and are kept as hundredths. */
const amount = z
  .string({
    error: issue => (issue.input === undefined ? 'is required' : 'must be an amount in quotes, such as "19.90"'),
  })
  .regex(/^\d{1,10}(\.\d{1,2})?$/, 'must be an amount such as "19.90"')
  .transform(value => {
    const [units = '0', decimals = ''] = value.split('.')
    return toMinor(`${units}.${decimals.padEnd(2, '0')}`)
  })

const storableJson = (value: unknown): boolean => {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, inner]) => storableJson(key) && storableJson(inner))
}

/** An empty text says that there is none. */
const orNone = (max: number) =>
  text(max)
    .nullish()
    .transform(value => (value === '' ? null : value))

const image = z.object({ url: text(2_000, 1), alt: text(500).nullish() }, 'must be {url, alt}')

const fields = z.object({
  sku: text(64, 1),
  name: z.object({ en: text(300, 1), de: orNone(300), fr: orNone(300) }, 'must be {en, de, fr}'),
  description: z.object({ en: text(100_000).nullish(), de: orNone(100_000) }, 'must be {en, de}').optional(),
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
  color: orNone(100),
  size: orNone(100),
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

/** What a body asks for, checked, money in hundredths. Null takes something away; what is undefined stays. */
export type ProductChange = z.output<typeof patchFields>

/**
 * Reads the whole product that POST or PUT carries; keys that it does not know, such as `id`, are ignored.
 * No body is an empty one.
 *
 * @throws Problem 422 with every field that is wrong or missing.
 */
export function parseProduct(body: unknown): ProductChange {
  return check(fields, body ?? {})
}

/** Reads the part of a product that PATCH carries. @throws Problem 422 with every field that is wrong. */
export function parseProductPatch(body: unknown): ProductChange {
  return check(patchFields, body ?? {})
}
