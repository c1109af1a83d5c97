import { asText, integerText, type JsonValue, type ToText, UnreadableValue } from './value-text.ts'

/** Julian day number of 1970-01-01. PostgreSQL reads `J` and a Julian day as a date (documentation, B.7 and 8.5.1). */
const JULIAN_1970 = 2_440_588n
const DAY = 86_400_000_000n

/** PostgreSQL's first and last day (documentation, table 8.9), in days since 1970: 4714-11-24 BC and 5874897-12-31. */
const FIRST_DAY = -JULIAN_1970
const LAST_DAY = 2_145_042_905n

const LARGEST_INT64 = 9_223_372_036_854_775_807n
const SMALLEST_INT64 = -9_223_372_036_854_775_808n

/** `date` with `time.precision.mode=microseconds`: days since 1970. Infinities arrive as days that no date can have. */
export const dateText: ToText = value => {
  const days = toBigInt(value)
  if (days > LAST_DAY) return 'infinity'
  if (days < FIRST_DAY) return '-infinity'
  return julian(days)
}

/** `timestamp`: microseconds since 1970; infinities are the ends of int64, which lie past what a timestamp can be. */
export const timestampText: ToText = value => {
  const microseconds = toBigInt(value)
  if (microseconds === LARGEST_INT64) return 'infinity'
  if (microseconds === SMALLEST_INT64) return '-infinity'
  const days = floorDivide(microseconds, DAY)
  return `${julian(days)} ${clock(microseconds - days * DAY)}`
}

/** `time`: microseconds since midnight, 24:00:00 included. */
export const timeText: ToText = value => {
  const microseconds = toBigInt(value)
  if (microseconds < 0n || microseconds > DAY) throw new UnreadableValue(value, 'a time of day')
  return clock(microseconds)
}

const INSTANT = /^([+-]?)(\d{4,})-(\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)$/

/** `timestamptz`: ISO 8601 in UTC, with years counted through 0 (which is 1 BC). */
export const instantText: ToText = value => {
  const text = asText(value)
  if (text === 'infinity' || text === '-infinity') return text
  const [, sign, digits = '', rest] = INSTANT.exec(text) ?? []
  if (rest === undefined) throw new UnreadableValue(value, 'a point in time')
  const year = sign === '-' ? -Number(digits) : Number(digits)
  if (year > 0) return `${digits}-${rest}`
  return `${String(1 - year).padStart(4, '0')}-${rest} BC`
}

function toBigInt(value: JsonValue): bigint {
  return BigInt(integerText(value))
}

function julian(days: bigint): string {
  return `J${days + JULIAN_1970}`
}

function clock(microseconds: bigint): string {
  const seconds = microseconds / 1_000_000n
  const parts = [seconds / 3_600n, (seconds / 60n) % 60n, seconds % 60n].map(part => String(part).padStart(2, '0'))
  return `${parts.join(':')}.${String(microseconds % 1_000_000n).padStart(6, '0')}`
}

function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor
  return dividend % divisor < 0n ? quotient - 1n : quotient
}
