import { describe, expect, it } from 'vitest'
import { dateText, instantText, timestampText, timeText } from './time-text.ts'
import {
  asText,
  bitText,
  booleanText,
  byteaText,
  circleText,
  floatText,
  hstoreText,
  integerText,
  intervalText,
  type JsonValue,
  lineText,
  numericText,
  opaqueText,
  pointText,
  type ToText,
  UnreadableValue,
} from './value-text.ts'

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
    ['date', dateText, '2024-02-29Z', '2024-02-29'],
    ['date', dateText, '-4713-11-24Z', '4714-11-24 BC'],
    ['date', dateText, '0000-12-31Z', '0001-12-31 BC'],
    ['date', dateText, '+5874897-12-31Z', '5874897-12-31'],
    // As Debezium 3.7 writes the infinities.
    ['date', dateText, '+5877611-06-21Z', 'infinity'],
    ['date', dateText, '-5877611-06-22Z', '-infinity'],
    ['timestamp', timestampText, '+292278994-08-16T23:00:00Z', 'infinity'],
    ['timestamp', timestampText, '-292275055-05-16T23:00:00Z', '-infinity'],
    ['timestamp', timestampText, '2024-02-29T12:34:56.123456Z', '2024-02-29T12:34:56.123456'],
    ['timestamp', timestampText, '+294276-12-31T23:59:59.999999Z', '294276-12-31T23:59:59.999999'],
    ['timestamp', timestampText, '-4712-01-01T00:00:00Z', '4713-01-01T00:00:00 BC'],
    ['time', timeText, '23:59:59.999999Z', '23:59:59.999999'],
    ['timestamptz', instantText, '2024-02-29T10:34:56.123456Z', '2024-02-29T10:34:56.123456Z'],
    ['timestamptz', instantText, '+12024-01-01T00:00:00Z', '12024-01-01T00:00:00Z'],
    ['timestamptz', instantText, '-0043-03-15T01:02:03Z', '0044-03-15T01:02:03Z BC'],
    ['timestamptz', instantText, '0000-03-15T01:02:03Z', '0001-03-15T01:02:03Z BC'],
    ['timestamptz', instantText, '-infinity', '-infinity'],
    ['bit(1)', bitText(1), true, '1'],
    ['bit(3)', bitText(3), 'AQ==', '001'],
    ['bit(3)', bitText(3), '', '000'],
    ['bit(12)', bitText(12), 'qwo=', '101010101011'],
    [
      'hstore',
      hstoreText,
      '{"a":"1","b":null,"q\\"x":"y\\\\z","":""}',
      '""=>"", "a"=>"1", "b"=>NULL, "q\\"x"=>"y\\\\z"',
    ],
    ['hstore', hstoreText, '{}', ''],
    ['point', pointText, { x: 1.5, y: -0, wkb: '', srid: null }, '(1.5,-0)'],
    ['point', pointText, { x: 'NaN', y: 'Infinity' }, '(NaN,Infinity)'],
    ['line', lineText, { a: 1, b: 2, c: 0.1 }, '{1,2,0.1}'],
    ['circle', circleText, { center: { x: 1, y: 2 }, radius: 3 }, '<(1,2),3>'],
  ])('%s', (_, toText, value, text) => {
    expect(toText(value)).toBe(text)
  })
})

describe('what is written like another value is read back', () => {
  it.each<[string, ToText, JsonValue]>([
    ['an interval of nothing: infinity, perhaps', intervalText, 'P0Y0M0DT0H0M0S'],
    ['midnight: 24:00:00, perhaps', timeText, '00:00:00Z'],
  ])('%s', (_, toText, value) => {
    expect(toText(value)).toBe(undefined)
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
    ['days for a date', dateText, 18262],
    ['a time of day without a zone', timeText, '10:00:00'],
    ['an instant without a zone', instantText, '2024-02-29T10:34:56'],
    ['an interval in microseconds', intervalText, 5],
    ['more bits than the column has', bitText(3), 'CA=='],
    ['one bit for several', bitText(3), true],
    ['a text for an hstore', hstoreText, '"a"'],
    ['what is no JSON for an hstore', hstoreText, '"a"=>"1"'],
    ['a list for an hstore', hstoreText, '["a"]'],
    ['a number in an hstore', hstoreText, '{"a":1}'],
    ['a text for a point', pointText, '(1,2)'],
    ['a point without y', pointText, { x: 1 }],
  ])('%s', (_, toText, value) => {
    expect(() => toText(value)).toThrow(UnreadableValue)
  })
})

it('says what an unreadable value is, and not which: messages end in logs', () => {
  expect(() => integerText('4111 1111 1111 1111')).toThrow('a text of 19 characters is not an integer')
  expect(() => dateText('born 1980-01-01')).not.toThrow('1980')
  expect(() => dateText('born 1980-01-01')).toThrow(UnreadableValue)
})
