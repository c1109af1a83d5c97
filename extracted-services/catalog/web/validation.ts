import { z } from 'zod'
import { invalid } from './problem.ts'

/** PostgreSQL stores neither NUL nor half a surrogate pair. */
const storable = (text: string) => text.isWellFormed() && !text.includes('\0')

/** Text of at most `max` characters that PostgreSQL can store, trimmed; `min` 1 asks for something in it. */
export const text = (max: number, min = 0) =>
  z
    .string({ error: 'must be text' })
    .trim()
    .min(min, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .refine(storable, 'must not contain NUL or broken characters')

/** A positive integer that fits PostgreSQL's int4, such as an id. */
export const id = z
  .int({ error: 'must be a whole number' })
  .min(1, 'must be 1 or more')
  .max(2_147_483_647, 'must be at most 2147483647')

/** A form's or a query's number: text of digits. An empty field counts as absent. */
export const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z
    .string({ error })
    .regex(/^\d{1,10}$/, error)
    .transform(Number)
    .refine(value => value >= min && value <= max, error)
}

/** Leaves out the fields of a form or a query that a person left empty. */
export function withoutEmpty(fields: unknown): Record<string, unknown> {
  const entries = Object.entries(typeof fields === 'object' && fields !== null ? fields : {})
  return Object.fromEntries(entries.filter(([, value]) => value !== ''))
}

/**
 * Checks `input` and returns it typed.
 *
 * @throws Problem 422 with what is wrong with each field, the first problem of each.
 */
export function check<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const fields: Record<string, string> = {}
  for (const issue of result.error.issues) fields[issue.path.join('.') || 'body'] ??= issue.message
  throw invalid(fields)
}

/** An id from a route, such as `/p/:id`: null when no row can have it, so that the route answers 404. */
export function routeId(text: string): number | null {
  return /^[1-9]\d{0,9}$/.test(text) && Number(text) <= 2_147_483_647 ? Number(text) : null
}
