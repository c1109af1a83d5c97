import { z } from 'zod'
import { check, id, text, wholeNumber, withoutEmpty } from '../web/validation.ts'

export const SORTS = ['id', 'price', '-price', 'name'] as const
export type Sort = (typeof SORTS)[number]

const schema = z.object({
  category: text(200).optional(),
  brand: wholeNumber(1, 2_147_483_647).pipe(id).optional(),
  q: text(200).optional(),
  tag: text(200).optional(),
  page: wholeNumber(1, 1_000_000).default(1),
  per_page: wholeNumber(1, 100).default(20),
  sort: z.enum(SORTS, { error: `must be one of ${SORTS.join(', ')}` }).default('id'),
})

export type ProductQuery = z.output<typeof schema>

/**
 * Reads the query of `GET /api/products`: `?category=teapots&brand=3&q=blue+cup&tag=gift&page=2&per_page=50&sort=-price`.
 *
 * @throws Problem 422 that names each parameter that is malformed.
 */
export function parseProductQuery(query: unknown): ProductQuery {
  return check(schema, withoutEmpty(query))
}

/** One LIKE pattern for each word, with LIKE's own signs taken literally. */
export function likePatterns(q: string): string[] {
  return q
    .split(/\s+/)
    .filter(word => word !== '')
    .map(word => `%${word.replace(/[\\%_]/g, '\\$&')}%`)
}
