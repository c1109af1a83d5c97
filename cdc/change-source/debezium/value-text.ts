/** A JSON value as parsed by event.ts: numbers that JavaScript cannot hold stay text. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** Turns a value of one type into PostgreSQL's text form of it. @throws UnreadableValue */
export type ToText = (value: JsonValue) => string

/** The value is not of the form in which Debezium writes the column's type: the type must have changed. */
export class UnreadableValue extends Error {
  override readonly name = 'UnreadableValue'

  constructor(value: JsonValue, expected: string) {
    const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value
    super(`${shown} is not ${expected}`)
  }
}

/** Types whose text form Debezium passes on. */
export const asText: ToText = value => {
  if (typeof value !== 'string') throw new UnreadableValue(value, 'a text')
  return value
}

export const integerText: ToText = value => {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) return String(value)
  throw new UnreadableValue(value, 'an integer')
}

/** `float4` and `float8`: both sides write the shortest text that reads as the same number. */
export const floatText: ToText = value => {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return String(value)
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return value
  throw new UnreadableValue(value, 'a floating point number')
}

const SPECIAL_NUMERICS: Readonly<Record<string, string>> = {
  NAN: 'NaN',
  POSITIVE_INFINITY: 'Infinity',
  NEGATIVE_INFINITY: '-Infinity',
}

/** `decimal.handling.mode=string`. */
export const numericText: ToText = value => {
  const text = asText(value)
  if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return text
  const special = SPECIAL_NUMERICS[text]
  if (special === undefined) throw new UnreadableValue(value, 'a number')
  return special
}

export const booleanText: ToText = value => {
  if (typeof value !== 'boolean') throw new UnreadableValue(value, 'a boolean')
  return value ? 't' : 'f'
}

/** `binary.handling.mode=hex`. */
export const byteaText: ToText = value => `\\x${hexDigits(value)}`

/** A type that Debezium does not know: its text form, as bytes in hex (`include.unknown.datatypes`). */
export const opaqueText: ToText = value => Buffer.from(hexDigits(value), 'hex').toString()

function hexDigits(value: JsonValue): string {
  const text = asText(value)
  if (text.length % 2 === 1 || /[^0-9a-f]/.test(text)) throw new UnreadableValue(value, 'bytes in hex')
  return text
}

/** `interval.handling.mode=string`: ISO 8601 with a sign at each part, which PostgreSQL reads. */
export const intervalText: ToText = value => {
  const text = asText(value)
  if (!/^P(-?\d+[YMD])*(T(-?\d+(\.\d+)?[HMS])*)?$/.test(text)) throw new UnreadableValue(value, 'an interval')
  return text
}

/** An array's text form (documentation, 8.15.6), with quotes where PostgreSQL itself puts them. */
export function arrayText(element: ToText): ToText {
  return value => {
    if (!Array.isArray(value)) throw new UnreadableValue(value, 'an array')
    const items: readonly JsonValue[] = value
    // Debezium writes an array of arrays as one of nulls.
    if (items.length > 0 && items.every(item => item === null)) {
      throw new UnreadableValue(value, 'an array of one dimension that holds more than nulls')
    }
    return `{${items.map(item => (item === null ? 'NULL' : quoted(element(item)))).join(',')}}`
  }
}

const NEEDS_QUOTES = /^$|^null$|[{}",\\ \t\n\r\v\f]/i

function quoted(text: string): string {
  if (!NEEDS_QUOTES.test(text)) return text
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
