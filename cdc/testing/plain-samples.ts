import { MD5S, type TypeSample } from './type-sample.ts'

const NUMBERS: readonly TypeSample[] = [
  { type: 'smallint', values: ['32767', '-32768'], key: ['1', '2'], postgres: 'binary', debezium: 'sent' },
  { type: 'integer', values: ['2147483647', '-2147483648'], key: ['1', '2'], postgres: 'binary', debezium: 'sent' },
  {
    type: 'bigint',
    values: [
      '9007199254740993',
      '-9007199254740993',
      '9223372036854775807',
      '-9223372036854775808',
      '9999999999999999',
    ],
    key: ['9007199254740993', '9007199254740992'],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'numeric',
    values: [
      ...[`'NaN'`, `'Infinity'`, `'-Infinity'`, '1.00', '1.0', '0.00000000', '-0.5', `'1e-100'`, `'1e100'`],
      `'${'9'.repeat(100)}.${'1'.repeat(100)}'`,
      `'-${'1234567890'.repeat(10)}'`,
    ],
    key: ['1.50', '1.5000000000000000000000001'],
    large: `repeat('1234567890', 3000)::numeric`,
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'numeric(12,2)', values: ['0.01', '-99999.99', '1000', `'NaN'`], postgres: 'binary', debezium: 'sent' },
  { type: 'numeric(3,5)', values: ['0.00123'], postgres: 'binary', debezium: 'sent' },
  { type: 'numeric(5,-2)', values: ['12345'], postgres: 'binary', debezium: 'read back' },
  {
    type: 'real',
    values: [`'NaN'`, `'Infinity'`, `'-Infinity'`, `'-0'`, '1.1', '16777216', `'1e-45'`, `'3.4028235e38'`, `'1e10'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'double precision',
    values: [
      ...[`'NaN'`, `'Infinity'`, `'-Infinity'`, `'-0'`, '0.1', '1e-300', `'5e-324'`, `'1.7976931348623157e308'`],
      ...['9007199254740993', '0.1::float8 + 0.2::float8'],
    ],
    key: ['0.1', '0.30000000000000004'],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'money', values: [`'-1234.56'`, `'92233720368547758.07'`, '0'], postgres: 'binary', debezium: 'read back' },
  { type: 'oid', values: ['4294967295'], key: ['1', '2'], postgres: 'binary', debezium: 'sent' },
  { type: 'xid8', values: [`'18446744073709551615'`], postgres: 'binary', debezium: 'sent' },
  { type: 'pg_lsn', values: [`'16/B374D848'`, `'0/0'`], key: [`'0/1'`, `'0/2'`], postgres: 'binary', debezium: 'sent' },
]

const TEXTS: readonly TypeSample[] = [
  {
    type: 'text',
    values: [
      ...[`''`, `' '`, `'ünï😀'`, `E'\\t\\n\\\\N\\r\\f\\b\\v\\x01'`, `E'\\\\.'`, `'9007199254740993'`, `'NULL'`],
      ...[`'"source":{"x":1}'`, `'__debezium_unavailable_value'`],
    ],
    key: [`'a'`, `E'b\\t"\\\\'`],
    large: MD5S,
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'varchar(10)', values: [`'ten letter'`], key: [`'a'`, `'b'`], postgres: 'binary', debezium: 'sent' },
  { type: 'char(5)', values: [`'ab'`, `''`], key: [`'a'`, `'b'`], postgres: 'binary', debezium: 'sent' },
  { type: 'name', values: [`'pg_catalog'`], key: [`'a'`, `'b'`], postgres: 'binary', debezium: 'sent' },
  { type: '"char"', values: [`'a'`, `''`], key: [`'a'`, `'b'`], postgres: 'binary', debezium: 'sent' },
  { type: 'citext', values: [`'AbC'`], key: [`'A'`, `'b'`], large: MD5S, postgres: 'text', debezium: 'sent' },
  {
    type: 'bytea',
    values: [`'\\x00ff5c'`, `''`],
    key: [`'\\x00'`, `'\\xff'`],
    large: `decode(repeat('00ff5c', 2000), 'hex')`,
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'uuid',
    values: [`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`],
    key: [`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`, `'00000000-0000-0000-0000-000000000000'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'boolean', values: ['true', 'false'], key: ['true', 'false'], postgres: 'binary', debezium: 'sent' },
  { type: 'bit(1)', values: [`B'1'`, `B'0'`], key: [`B'0'`, `B'1'`], postgres: 'binary', debezium: 'sent' },
  {
    type: 'bit(12)',
    values: [`B'101010101011'`, `B'000000000000'`, `B'000000000001'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'bit(100)', values: [`(repeat('01', 50))::bit(100)`], postgres: 'binary', debezium: 'read back' },
  { type: 'bit varying', values: [`B'0010'`, `B''`], postgres: 'binary', debezium: 'read back' },
]

const TIMES: readonly TypeSample[] = [
  {
    type: 'date',
    values: [
      ...[`'0044-03-15 BC'`, `'infinity'`, `'-infinity'`, `'2026-02-28'`, `'1582-10-10'`, `'0001-01-01'`],
      ...[`'0001-12-31 BC'`, `'12026-01-01'`, `'5874897-12-31'`, `'4713-01-01 BC'`],
    ],
    key: [`'2026-01-01'`, `'infinity'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'timestamp',
    values: [
      ...[`'2026-01-01 00:00:00.123456'`, `'-infinity'`, `'infinity'`, `'1969-12-31 23:59:59.999999'`],
      ...[`'0044-03-15 01:02:03.5 BC'`, `'294276-12-31 23:59:59.999999'`, `'294276-12-31'`, `'4713-01-01 BC'`],
    ],
    key: [`'2026-01-01 00:00:00.000001'`, `'infinity'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'timestamp(0)', values: [`'2026-01-01 00:00:01'`, `'infinity'`], postgres: 'binary', debezium: 'sent' },
  {
    type: 'timestamptz',
    values: [
      ...[`'2026-03-29 02:30:00.000001+01'`, `'4713-01-01 BC'`, `'infinity'`, `'-infinity'`, `'12026-01-01'`],
      ...[`'0001-01-01 BC'`, `'294276-12-31 23:59:59.999999+00'`, `'1850-01-01 00:00:00+00:53:28'`],
    ],
    key: [`'2026-01-01 00:00:00.000001+02'`, `'infinity'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'time',
    values: [`'23:59:59.999999'`, `'24:00:00'`, `'00:00:00'`, `'12:30'`],
    but: ['00:00:00', '24:00:00'],
    key: [`'12:00'`, `'12:00:00.000001'`],
    postgres: 'binary',
    debezium: 'sent, but for some',
  },
  { type: 'timetz', values: [`'10:00:00.5+02:30:15'`, `'24:00:00-12'`], postgres: 'binary', debezium: 'read back' },
  {
    type: 'interval',
    values: [
      ...[`'1 year -2 days 03:04:05.000006'`, `'-1 mon 2 days -00:00:01.5'`, `'0'`, `'178000000 years'`],
      ...[`'-2147483648 days'`, `'2147483647:59:59.999999'`],
    ],
    but: ['00:00:00', 'infinity', '-infinity'],
    key: [`'1 day'`, `'1 mon'`],
    postgres: 'binary',
    debezium: 'sent, but for some',
  },
  {
    type: 'interval(6)',
    values: [`'infinity'`, `'-infinity'`],
    since: 17,
    but: ['00:00:00', 'infinity', '-infinity'],
    postgres: 'binary',
    debezium: 'sent, but for some',
  },
]

const DOCUMENTS: readonly TypeSample[] = [
  {
    type: 'json',
    values: [`'{"b":1,  "a":2, "a":9007199254740993, "n": 1e400}'`, `' null '`, `'"\\u00fc\\ud83d\\ude00"'`, `'1.10'`],
    large: `json_build_object('a', ${MD5S}, 'n', 9007199254740993)`,
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'jsonb',
    values: [
      `'{"n": 9007199254740993, "d": 1.00, "s": "\\u00fc", "x": 123456789012345678901234567890.12345678901234567890}'`,
      ...[`'null'`, `'"text"'`, `'1e400'`, `'[]'`],
    ],
    key: [`'1'`, `'1.00001'`],
    large: `jsonb_build_object('a', ${MD5S})`,
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'jsonpath', values: [`'$.a[*] ? (@ > 1)'`], postgres: 'binary', debezium: 'sent' },
  {
    type: 'xml',
    values: [`'<a> 1</a>'`, `'<?xml version="1.0"?><a/>'`, `'text &amp; more'`],
    large: `('<a>' || ${MD5S} || '</a>')::xml`,
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'tsvector',
    values: [`to_tsvector('english', 'a fat cat')`, `'''a b'':1A ''c''''d'''`, `''`],
    large: `to_tsvector('simple', ${MD5S})`,
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'tsquery',
    values: [`'a & !b:*A | ''c d'''`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'hstore',
    values: [`'a=>1, b=>NULL, "q\\"x"=>"y\\\\z", ""=>"", "NULL"=>"NULL", "c,d"=>"e=>f", "ü "=>" x ", "1"=>2'`, `''`],
    large: `hstore('a', ${MD5S})`,
    postgres: 'text',
    debezium: 'sent',
  },
  {
    type: 'ltree',
    values: [`'a.b.c'`, `''`],
    key: [`'a.b'`, `'a.c'`],
    large: `replace(${MD5S}, ' ', '.')::ltree`,
    postgres: 'text',
    debezium: 'sent',
  },
  { type: 'lquery', values: [`'a.*{1,2}.b'`], postgres: 'text', debezium: 'read back' },
]

const PLACES: readonly TypeSample[] = [
  {
    type: 'inet',
    values: [`'10.0.0.1/8'`, `'::1'`, `'10.0.0.1'`, `'::ffff:1.2.3.4/120'`],
    key: [`'10.0.0.1'`, `'10.0.0.1/8'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'cidr',
    values: [`'10.0.0.0/8'`, `'::/0'`],
    key: [`'10.0.0.0/8'`, `'10.0.0.0/9'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'macaddr',
    values: [`'08:00:2b:01:02:03'`],
    key: [`'08:00:2b:01:02:03'`, `'08:00:2b:01:02:04'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'macaddr8', values: [`'08:00:2b:01:02:03:04:05'`], postgres: 'binary', debezium: 'sent' },
  { type: 'point', values: [`'(1.5,-0)'`, `'(NaN,Infinity)'`, `'(0.1,1e-310)'`], postgres: 'binary', debezium: 'sent' },
  { type: 'line', values: [`'{1,2,0.1}'`], postgres: 'binary', debezium: 'sent' },
  { type: 'circle', values: [`'<(1,0.1),3>'`], postgres: 'binary', debezium: 'sent' },
  { type: 'lseg', values: [`'[(1,2),(3,0.1)]'`], postgres: 'binary', debezium: 'read back' },
  { type: 'box', values: [`'(1,2),(3,0.1)'`], postgres: 'binary', debezium: 'read back' },
  { type: 'path', values: [`'[(1,2),(3,4)]'`, `'((1,2),(3,4))'`], postgres: 'binary', debezium: 'read back' },
  {
    type: 'polygon',
    values: [`'((1,2),(3,4),(5,6))'`],
    large: `polygon(1000, '<(1,2),3>'::circle)`,
    postgres: 'binary',
    debezium: 'read back',
  },
]

/** PostgreSQL’s own types, but for ranges and arrays. */
export const PLAIN_SAMPLES: readonly TypeSample[] = [...NUMBERS, ...TEXTS, ...TIMES, ...DOCUMENTS, ...PLACES]
