import { describe, expect, it } from 'vitest'
import { dateText, instantText, timestampText, timeText } from './time-text.ts'
import {
  arrayText,
  asText,
  booleanText,
  byteaText,
  floatText,
  integerText,
  intervalText,
  type JsonValue,
  numericText,
  opaqueText,
  type ToText,
  UnreadableValue,
} from './value-text.ts'

const LARGEST = 9223372036854775807n

describe('values become PostgreSQL’s text', () => {
  it.each<[string, ToText, JsonValue, string]>([
    ['int8', integerText, 9007199254740993n, '9007199254740993'],
    ['int4', integerText, -5, '-5'],
    ['float8', floatText, -0, '-0'],
    ['float8', floatText, 1e300, '1e+300'],
    ['float8', floatText, 'NaN', 'NaN'],
    ['numeric', numericText, '1000.00', '1000.00'],
    ['numeric', numericText, '1E-7', '1E-7'],
    ['numeric', numericText, 'NAN', 'NaN'],
    ['numeric', numericText, 'NEGATIVE_INFINITY', '-Infinity'],
    ['bool', booleanText, true, 't'],
    ['text', asText, '', ''],
    ['bytea', byteaText, '00ff', '\\x00ff'],
    ['pg_lsn', opaqueText, '31362f42', '16/B'],
    ['interval', intervalText, 'P0Y-1M2DT0H0M-1.5S', 'P0Y-1M2DT0H0M-1.5S'],
    ['date', dateText, 0, 'J2440588'],
    ['date', dateText, -2440588, 'J0'],
    ['date', dateText, 2146033979, 'infinity'],
    ['date', dateText, -2147472691, '-infinity'],
    ['timestamp', timestampText, 1709210096123456, 'J2460370 12:34:56.123456'],
    ['timestamp', timestampText, -1, 'J2440587 23:59:59.999999'],
    ['timestamp', timestampText, LARGEST, 'infinity'],
    ['timestamp', timestampText, -LARGEST - 1n, '-infinity'],
    ['time', timeText, 86_400_000_000, '24:00:00.000000'],
    ['timestamptz', instantText, '2024-02-29T10:34:56.123456Z', '2024-02-29T10:34:56.123456Z'],
    ['timestamptz', instantText, '+12024-01-01T00:00:00Z', '12024-01-01T00:00:00Z'],
    ['timestamptz', instantText, '-0043-03-15T01:02:03Z', '0044-03-15T01:02:03Z BC'],
    ['timestamptz', instantText, '0000-03-15T01:02:03Z', '0001-03-15T01:02:03Z BC'],
    ['timestamptz', instantText, '-infinity', '-infinity'],
    [
      'text[]',
      arrayText(asText),
      ['a', null, 'b"c', 'NULL', '', 'x\\y', 'a b'],
      '{a,NULL,"b\\"c","NULL","","x\\\\y","a b"}',
    ],
    ['int8[]', arrayText(integerText), [9007199254740993n, null], '{9007199254740993,NULL}'],
    ['bytea[]', arrayText(byteaText), ['dead'], '{"\\\\xdead"}'],
    ['text[]', arrayText(asText), [], '{}'],
  ])('%s', (_, toText, value, text) => {
    expect(toText(value)).toBe(text)
  })
})

describe('what is not of the column’s type stops the sync; nothing is guessed', () => {
  it.each<[string, ToText, JsonValue]>([
    ['an integer with a fraction', integerText, 1.5],
    ['a number for a text', asText, 5],
    ['a text for a number', numericText, '1,5'],
    ['a text for a boolean', booleanText, 'true'],
    ['half a byte', byteaText, 'abc'],
    ['capitals in hex', byteaText, 'AB'],
    ['a time for a date', dateText, '2024-02-29Z'],
    ['more than a day', timeText, 86_400_000_001],
    ['an instant without a zone', instantText, '2024-02-29T10:34:56'],
    ['an interval in microseconds', intervalText, 5],
    ['a text for an array', arrayText(asText), '{a}'],
    ['an array of arrays, which arrives as nulls', arrayText(integerText), [null, null]],
  ])('%s', (_, toText, value) => {
    expect(() => toText(value)).toThrow(UnreadableValue)
  })
})
