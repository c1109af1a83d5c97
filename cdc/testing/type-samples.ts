/** How values of a type travel through the engine `debezium`; docs/types.md explains. */
export type DebeziumForm = 'sent' | 'sent, but for some' | 'read back'

/** A column type with values that are easy to get wrong. */
export interface TypeSample {
  /** As in a column's definition. */
  readonly type: string
  /** As SQL. Each goes into a row of its own. */
  readonly values: readonly string[]
  /** How values travel through the engine `postgres`. One column of `text` brings its whole stream into text form. */
  readonly postgres: 'binary' | 'text'
  readonly debezium: DebeziumForm
  /** For `sent, but for some`: those that are read back, as text. */
  readonly but?: readonly string[]
  /** Two values, as SQL, that a key can have and change between. */
  readonly key?: readonly [string, string]
  /** A value, as SQL, that is stored apart from its row, so that a change of another column does not send it. */
  readonly large?: string
  /** The first PostgreSQL that has `values`. */
  readonly since?: number
}

/** The types that samples need, beside PostgreSQL's own. */
export const SAMPLE_TYPES = `
  CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext;
  CREATE TYPE mood AS ENUM ('good', 'bad "x"', '');
  CREATE TYPE pair AS (a int, b text);
  CREATE TYPE nest AS (p pair, n int[], t timestamptz, i interval, f float8, b bytea);
  CREATE TYPE span AS RANGE (subtype = int, multirange_type_name = spans);
  CREATE DOMAIN cents AS numeric(12,2); CREATE DOMAIN ages AS int[]; CREATE DOMAIN humour AS mood;
  CREATE DOMAIN couple AS pair; CREATE DOMAIN large_number AS bigint; CREATE DOMAIN positive AS large_number CHECK (VALUE > 0);
  CREATE DOMAIN flags AS bit(3); CREATE DOMAIN hour AS timetz; CREATE DOMAIN code AS char(5);
  CREATE SCHEMA "Ö.wn"; CREATE TYPE "Ö.wn"."Mood ü" AS ENUM ('Ünï 😀', 'MiXed, "q"');
  CREATE TYPE "Ö.wn"."Päir" AS ("A b" "Ö.wn"."Mood ü", "c,d" int);`

const MD5S = `(SELECT string_agg(md5(n::text), ' ') FROM generate_series(1, 200) n)`

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

const RANGES: readonly TypeSample[] = [
  {
    type: 'int4range',
    values: [`'[1,5)'`, `'empty'`, `'(,)'`, `'[3,)'`],
    key: [`'[1,5)'`, `'empty'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'int8range', values: [`'[9007199254740993,]'`], postgres: 'binary', debezium: 'sent' },
  { type: 'numrange', values: [`'[1.10,NaN]'`, `'(,0.1]'`], postgres: 'binary', debezium: 'sent' },
  { type: 'daterange', values: [`'[0044-03-15 BC,infinity]'`, `'empty'`], postgres: 'binary', debezium: 'sent' },
  { type: 'tsrange', values: [`'["2026-01-01 00:00:00.5",infinity)'`], postgres: 'binary', debezium: 'sent' },
  {
    type: 'tstzrange',
    values: [`'["2026-01-01 00:00:00.000001+02",)'`, `'empty'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'int4multirange',
    values: [`'{[1,3), [7,9)}'`, `'{}'`],
    large: `(SELECT range_agg(int4range(n * 3, n * 3 + 1)) FROM generate_series(1, 2000) n)`,
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'nummultirange', values: [`'{(,1.10), [2,)}'`], postgres: 'binary', debezium: 'sent' },
  { type: 'tstzmultirange', values: [`'{["2026-01-01 00:00:00+02",)}'`], postgres: 'binary', debezium: 'sent' },
  { type: 'int8multirange', values: [`'{[9007199254740993,9007199254740995)}'`], postgres: 'binary', debezium: 'sent' },
  {
    type: 'tsmultirange',
    values: [`'{["2026-01-01 00:00:00.000001",infinity]}'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  {
    type: 'datemultirange',
    values: [`'{[0044-03-15 BC,2026-01-01), [infinity,]}'`],
    postgres: 'binary',
    debezium: 'sent',
  },
]

const OWN: readonly TypeSample[] = [
  {
    type: 'mood',
    values: [`'good'`, `'bad "x"'`, `''`],
    key: [`'good'`, `'bad "x"'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: 'humour', values: [`'good'`], postgres: 'binary', debezium: 'sent' },
  {
    type: 'pair',
    values: [`(1, 'a,"b')`, `(NULL, '')`, `(NULL, NULL)`],
    key: [`(1, 'a')`, `(1, 'b"')`],
    large: `(1, ${MD5S})::pair`,
    postgres: 'text',
    debezium: 'sent',
  },
  { type: 'couple', values: [`ROW(1, 'a b')`], postgres: 'text', debezium: 'sent' },
  {
    type: 'nest',
    values: [
      `ROW(ROW(1, NULL), '{1,NULL}', '2026-01-01 00:00:00+02', '1 mon -1 day', 0.1::float8 + 0.2::float8, '\\x00ff')`,
    ],
    postgres: 'text',
    debezium: 'sent',
  },
  { type: 'span', values: [`'[1,5)'`, `'empty'`], postgres: 'text', debezium: 'sent' },
  { type: 'spans', values: [`'{[1,5)}'`], postgres: 'text', debezium: 'sent' },
  { type: 'cents', values: ['1.50', '-0.01'], key: ['1.5', '2'], postgres: 'binary', debezium: 'sent' },
  { type: 'positive', values: ['9007199254740993'], key: ['1', '2'], postgres: 'binary', debezium: 'sent' },
  { type: 'code', values: [`'ab'`], postgres: 'binary', debezium: 'sent' },
  { type: 'flags', values: [`B'011'`], postgres: 'binary', debezium: 'sent' },
  { type: 'hour', values: [`'10:00+02'`], postgres: 'binary', debezium: 'read back' },
  {
    type: '"Ö.wn"."Mood ü"',
    values: [`'Ünï 😀'`, `'MiXed, "q"'`],
    key: [`'Ünï 😀'`, `'MiXed, "q"'`],
    postgres: 'binary',
    debezium: 'sent',
  },
  { type: '"Ö.wn"."Päir"', values: [`('Ünï 😀', 1)`, `('MiXed, "q"', NULL)`], postgres: 'text', debezium: 'sent' },
  { type: 'regclass', values: [`'pg_class'`], postgres: 'text', debezium: 'read back' },
]

const array = (type: string, values: readonly string[], postgres: 'binary' | 'text' = 'binary'): TypeSample => ({
  type: `${type}[]`,
  values,
  postgres,
  debezium: 'read back',
})

const ARRAYS: readonly TypeSample[] = [
  {
    ...array('text', [`ARRAY['a"b', NULL, 'NULL', '', E'back\\\\slash\\n', '{}']`, `'{}'`, `'{NULL,NULL}'`]),
    large: `string_to_array(${MD5S}, ' ')`,
  },
  array('smallint', [`'{{-32768,NULL},{1,2}}'`]),
  array('integer', [`'{1,NULL,3}'`, `'{{1,2},{3,4}}'`, `'[2:3]={5,6}'`, `'[0:0][-1:0]={{1,2}}'`, `'{}'`]),
  array('bigint', [`'{9007199254740993,NULL}'`]),
  array('numeric', [`'{0.10,1e30,NaN,-Infinity,NULL}'`]),
  array('real', [`'{1.1,NULL,NaN,Infinity}'`]),
  array('double precision', [`'{0.1,NULL,NaN,-0}'`]),
  array('boolean', [`'{t,f,NULL}'`]),
  array('uuid', [`'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'`]),
  array('bytea', [`ARRAY['\\x5c22'::bytea, NULL]`]),
  array('date', [`'{infinity,2026-01-01}'`]),
  array('time', [`'{24:00,12:00:00.000001}'`]),
  array('timestamp', [`'{infinity,"2026-01-01 00:00:00.123456"}'`]),
  array('timestamptz', [`'{-infinity,"2026-01-01 00:00:00.123456+02"}'`]),
  array('interval', [`'{"1 mon -1 day",0}'`]),
  array('money', [`'{1.50}'`]),
  array('bit(3)', [`'{101}'`]),
  array('char(5)', [`'{ab,NULL}'`]),
  array('json', [`ARRAY['{"a":1,  "a":2}'::json, NULL]`]),
  array('jsonb', [`ARRAY['{"a": 9007199254740993}'::jsonb, NULL]`]),
  array('xml', [`ARRAY['<a b="c"> 1</a>'::xml, NULL]`]),
  array('inet', [`'{10.0.0.1/8}'`]),
  array('point', [`'{"(1,2)","(3,0.1)"}'`]),
  array('box', [`'{(1,2),(3,4);(5,6),(7,8)}'`]),
  array('int4range', [`'{"[1,5)",empty,NULL}'`]),
  array('int4multirange', [`'{"{[1,3),[7,9)}",NULL}'`]),
  array('tsvector', [`ARRAY['a b'::tsvector]`]),
  array('mood', [`'{good,NULL,"bad \\"x\\""}'`], 'text'),
  array('"Ö.wn"."Mood ü"', [`'{{"Ünï 😀",NULL},{"MiXed, \\"q\\"",NULL}}'`], 'text'),
  array('hstore', [`ARRAY['a=>NULL, "q\\"x"=>"y"'::hstore, NULL]`], 'text'),
  array('pair', [`ARRAY[ROW(1, 'a,"b')::pair, NULL]`], 'text'),
  array('cents', [`'{1.50,NULL}'`], 'text'),
  { ...array('ages', [`'{1,2}'`, `'[5:5]={7}'`]), type: 'ages' },
]

/** Every type worth the name. docs/types.md lists them; both engines must carry every value. */
export const TYPE_SAMPLES: readonly TypeSample[] = [
  ...NUMBERS,
  ...TEXTS,
  ...TIMES,
  ...DOCUMENTS,
  ...PLACES,
  ...RANGES,
  ...OWN,
  ...ARRAYS,
]

/** Those that a server knows. @param major its major version. */
export function samplesOf(major: number): TypeSample[] {
  return TYPE_SAMPLES.filter(({ since = 0 }) => since <= major)
}

/** Columns whose names are easy to get wrong. */
export const SAMPLE_NAMES: readonly string[] = [
  ...['select', 'order', 'user', 'Mixed Case', 'with.dot', 'with "quote"', `with 'apostrophe'`, 'ünï 😀', 'a,b'],
  ...['back\\slash', '$dollar', ' blank', 'xmin2', 'constructor', 'id;'],
]
