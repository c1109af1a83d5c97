import { expect, it } from 'vitest'
import { valueAt } from '../tuple.ts'
import { readEvent } from './event.ts'
import { Placeholder } from './placeholder.ts'
import { TableReader } from './table-reader.ts'
import { dateText, instantText, timestampText } from './time-text.ts'
import { asText, integerText, numericText, type ToText } from './value-text.ts'

const UNSENT = 'ficus.unchanged:c'

/** The text that the target gets for what Debezium writes, given as JSON, in one column. */
function carried(json: string, toText: ToText): string | null {
  const value = Buffer.from(
    `{"before":null,"after":{"v":${json}},"source":{"schema":"s","table":"t"},"transaction":{"id":"1:2","total_order":1},"op":"c"}`,
  )
  const event = readEvent({ offset: '0', value })
  if (event.kind !== 'row' || event.after === null) throw new TypeError('a row was expected')
  const columns = [{ name: 'v', type: 'text', toText, identity: false, readBack: false }]
  const table = { schema: 's', table: 't' }
  const reader = new TableReader(
    { table, columns, unread: [], fullIdentity: false },
    new Set(['v']),
    new Placeholder(UNSENT),
  )
  // Past the number of columns.
  return valueAt(reader.newTuple(event.after), 2)?.toString() ?? null
}

it.each<[string, ToText, string, string | null]>([
  ['NULL', asText, 'null', null],
  ['the largest int8', integerText, '9223372036854775807', '9223372036854775807'],
  ['the smallest int8', integerText, '-9223372036854775808', '-9223372036854775808'],
  ['the first integer that a double cannot hold', integerText, '9007199254740993', '9007199254740993'],
  ['the last that it can', integerText, '9007199254740991', '9007199254740991'],
  [
    'jsonb with large numbers, as it is',
    asText,
    '"{\\"n\\": 123456789012345678901234567890.10}"',
    '{"n": 123456789012345678901234567890.10}',
  ],
  ['a text of digits', asText, '"9007199254740993"', '9007199254740993'],
  ['numeric with every digit', numericText, '"12345678901234567890.123456789000"', '12345678901234567890.123456789000'],
  ['numeric NaN', numericText, '"NAN"', 'NaN'],
  ['numeric infinity', numericText, '"POSITIVE_INFINITY"', 'Infinity'],
  ['a first day', dateText, '"-4713-11-24Z"', '4714-11-24 BC'],
  [
    'a timestamp before 1970, to the microsecond',
    timestampText,
    '"1969-12-30T23:59:59.999999Z"',
    '1969-12-30T23:59:59.999999',
  ],
  ['a timestamptz BC', instantText, '"-4712-01-01T00:00:00Z"', '4713-01-01T00:00:00Z BC'],
  ['a text that only begins like the placeholder', asText, `"${UNSENT}x"`, `${UNSENT}x`],
])('%s', (_, toText, json, text) => {
  expect(carried(json, toText)).toBe(text)
})
