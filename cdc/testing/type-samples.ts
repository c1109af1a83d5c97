import { PLAIN_SAMPLES } from './plain-samples.ts'
import { MD5S, type TypeSample } from './type-sample.ts'

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
export const TYPE_SAMPLES: readonly TypeSample[] = [...PLAIN_SAMPLES, ...RANGES, ...OWN, ...ARRAYS]

/** Those that a server knows. @param major its major version. */
export function samplesOf(major: number): TypeSample[] {
  return TYPE_SAMPLES.filter(({ since = 0 }) => since <= major)
}

/** Columns whose names are easy to get wrong. */
export const SAMPLE_NAMES: readonly string[] = [
  ...['select', 'order', 'user', 'Mixed Case', 'with.dot', 'with "quote"', `with 'apostrophe'`, 'ünï 😀', 'a,b'],
  ...['back\\slash', '$dollar', ' blank', 'xmin2', 'constructor', 'id;'],
]
