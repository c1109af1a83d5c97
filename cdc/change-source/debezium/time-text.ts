import { asText, type JsonValue, type ToText, UnreadableValue } from './value-text.ts'

/**
 * PostgreSQL's first year, 4714 BC, and its last ones (documentation, table 8.9), with years counted through 0 (which is
 * 1 BC). Debezium writes the infinities as years that lie past them.
 */
const FIRST_YEAR = -4_713
const LAST_YEAR = { date: 5_874_897, timestamp: 294_277 }

const DATE = /^([+-]?)(\d{4,})-(\d\d-\d\d)Z$/
const TIMESTAMP = /^([+-]?)(\d{4,})-(\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z$/
const TIME = /^\d\d:\d\d:\d\d(\.\d+)?Z$/

/** `date` with `time.precision.mode=isostring`. */
export const dateText: ToText = value => {
  const { year, rest } = partsOf(value, DATE, 'a date')
  return infinity(year, LAST_YEAR.date) ?? inEra(year, rest)
}

/** `timestamp`: the Z means nothing. */
export const timestampText: ToText = value => {
  const { year, rest } = partsOf(value, TIMESTAMP, 'a timestamp')
  return infinity(year, LAST_YEAR.timestamp) ?? inEra(year, rest)
}

/** `time`: the Z means nothing. 24:00:00 is written like midnight. */
export const timeText: ToText = value => {
  const text = asText(value)
  if (!TIME.test(text)) throw new UnreadableValue(value, 'a time of day')
  return text === '00:00:00Z' ? undefined : text.slice(0, -1)
}

/** `timestamptz`: in UTC. */
export const instantText: ToText = value => {
  if (value === 'infinity' || value === '-infinity') return value
  const { year, rest } = partsOf(value, TIMESTAMP, 'a point in time')
  return inEra(year, `${rest}Z`)
}

function partsOf(value: JsonValue, form: RegExp, expected: string): { year: number; rest: string } {
  const [, sign, digits, rest] = form.exec(asText(value)) ?? []
  if (rest === undefined) throw new UnreadableValue(value, expected)
  return { year: sign === '-' ? -Number(digits) : Number(digits), rest }
}

function infinity(year: number, last: number): string | null {
  if (year > last) return 'infinity'
  return year < FIRST_YEAR ? '-infinity' : null
}

function inEra(year: number, rest: string): string {
  const text = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${rest}`
  return year > 0 ? text : `${text} BC`
}
