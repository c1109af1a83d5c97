/** A JSON value as parsed by event.ts: numbers that JavaScript cannot hold stay text. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/**
 * Turns a value of one type into PostgreSQL's text form of it. Undefined where different values are written alike, so
 * that it has to be read back from the source.
 * @throws UnreadableValue
 */
export type ToText = (value: JsonValue) => string | undefined

/**
 * The value is not of the form in which Debezium writes the column's type: the type must have changed. Messages end in
 * logs and in the ledger, so they do not hold the value.
 */
export class UnreadableValue extends Error {
  override readonly name = 'UnreadableValue'

  constructor(value: JsonValue, expected: string) {
    const shown = typeof value === 'string' ? `a text of ${value.length} characters` : `a ${typeof value}`
    super(`${shown} is not ${expected}`)
  }
}

/** Types whose text form Debezium passes on. */
export const asText = (value: JsonValue): string => {
  if (typeof value !== 'string') throw new UnreadableValue(value, 'a text')
  return value
}

export const integerText = (value: JsonValue): string => {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) return String(value)
  throw new UnreadableValue(value, 'an integer')
}

/** `float4` and `float8`: both sides write the shortest text that reads as the same number. */
export const floatText = (value: JsonValue): string => {
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

const ZERO = 'P0Y0M0DT0H0M0S'

/**
 * `interval.handling.mode=string`: ISO 8601 with a sign at each part, which PostgreSQL reads. From PostgreSQL 17 on there
 * are infinite ones, and they are written like zero.
 */
export const intervalText: ToText = value => {
  const text = asText(value)
  if (!/^P(-?\d+[YMD])*(T(-?\d+(\.\d+)?[HMS])*)?$/.test(text)) throw new UnreadableValue(value, 'an interval')
  return text === ZERO ? undefined : text
}

/** `bit(length)`: a boolean for one bit; else bytes in base64, the last bits first. */
export function bitText(length: number): ToText {
  return value => {
    if (length === 1 && typeof value === 'boolean') return value ? '1' : '0'
    const text = asText(value)
    if (!/^[A-Za-z\d+/]*={0,2}$/.test(text)) throw new UnreadableValue(value, 'bits in base64')
    const hex = Buffer.from(text, 'base64').reverse().toString('hex')
    const bits = BigInt(`0x0${hex}`).toString(2).padStart(length, '0')
    if (bits.length > length) throw new UnreadableValue(value, `${length} bits`)
    return bits
  }
}

/** `hstore.handling.mode=json`: an object, as text. PostgreSQL sorts keys by their length, then by their bytes. */
export const hstoreText: ToText = value => {
  const pairs = parsedJson(asText(value))
  if (typeof pairs !== 'object' || pairs === null || Array.isArray(pairs)) throw new UnreadableValue(value, 'an hstore')
  const quote = (part: unknown) => {
    if (typeof part !== 'string') throw new UnreadableValue(value, 'an hstore')
    return `"${part.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  }
  return Object.entries(pairs)
    .map(([key, part]) => ({ bytes: Buffer.from(key), text: `${quote(key)}=>${part === null ? 'NULL' : quote(part)}` }))
    .sort((one, other) => one.bytes.length - other.bytes.length || one.bytes.compare(other.bytes))
    .map(({ text }) => text)
    .join(', ')
}

/** Undefined for what is no JSON. The parser's own error would show a part of it. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The coordinates come as numbers, and once more in binary. */
export const pointText: ToText = value => {
  const { x, y } = partsOf(value, 'a point')
  return `(${floatText(x ?? null)},${floatText(y ?? null)})`
}

export const lineText: ToText = value => {
  const { a, b, c } = partsOf(value, 'a line')
  return `{${floatText(a ?? null)},${floatText(b ?? null)},${floatText(c ?? null)}}`
}

export const circleText: ToText = value => {
  const { center, radius } = partsOf(value, 'a circle')
  return `<${pointText(center ?? null)},${floatText(radius ?? null)}>`
}

function partsOf(value: JsonValue, expected: string): { readonly [key: string]: JsonValue } {
  if (typeof value !== 'object' || value === null || isList(value)) throw new UnreadableValue(value, expected)
  return value
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value)
}
