import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withSession } from '../database/session.ts'
import type { SyncInput, TableMapping } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { createHarness } from '../testing/sync-harness.ts'
import { probeRoundTrip } from './round-trip.ts'

type Row = Readonly<Record<string, unknown>>

/** A way in which a mapping turns columns into others, and values that have to survive it. */
interface Typical {
  /** Columns of the monolith's table but `id`, and of the service's. */
  readonly source: string
  readonly target: string
  readonly mapping: Pick<TableMapping, 'forward' | 'reverse' | 'where'>
  readonly row: fc.Arbitrary<Row>
}

const nullable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
/** What PostgreSQL's text can hold: everything but NUL and halves of surrogate pairs. */
const text = fc.string({ unit: 'grapheme', maxLength: 30 }).map(value => value.replaceAll('\0', ''))
const word = fc.constantFrom('', ' ', 'null', '"', `'`, '\\', '{}', 'é', '😀', 'a,b', '\n\t', 'NULL')
const anyText = fc.oneof(text, word)
const json = fc
  .jsonValue({ maxDepth: 2, stringUnit: 'grapheme' })
  .map(value => JSON.stringify(value).replaceAll('\\u0000', ''))
const cents = fc.bigInt({ min: -999_999_999_999n, max: 999_999_999_999n })
const price = cents.map(
  value => `${value < 0n ? '-' : ''}${abs(value) / 100n}.${String(abs(value) % 100n).padStart(2, '0')}`,
)
const instant = fc.oneof(
  fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map(date => date.toISOString()),
  fc.constantFrom('infinity', '-infinity', '2026-03-29 02:30:00.000001+01', '1969-12-31 23:59:59.999999Z'),
)

const TYPICAL: Readonly<Record<string, Typical>> = {
  'a rename': {
    source: 'a text, b timestamptz',
    target: 'x text, y timestamptz',
    mapping: { forward: { x: 'a', y: 'b' }, reverse: { a: 'x', b: 'y' } },
    row: fc.record({ a: nullable(anyText), b: nullable(instant) }),
  },
  'columns gathered into jsonb': {
    source: 'en text, de text, fr text',
    target: 'names jsonb NOT NULL',
    mapping: {
      forward: { names: `jsonb_strip_nulls(jsonb_build_object('en', en, 'de', de, 'fr', fr))` },
      reverse: { en: `names ->> 'en'`, de: `names ->> 'de'`, fr: `names ->> 'fr'` },
    },
    row: fc.record({ en: nullable(anyText), de: nullable(anyText), fr: nullable(anyText) }),
  },
  'a json value beside gathered columns': {
    source: 'color text, weight int, attributes jsonb NOT NULL',
    target: 'facts jsonb NOT NULL',
    mapping: {
      forward: {
        facts: `jsonb_strip_nulls(jsonb_build_object('color', color, 'weight', weight)) || jsonb_build_object('attributes', attributes)`,
      },
      reverse: {
        color: `facts ->> 'color'`,
        weight: `(facts ->> 'weight')::int`,
        attributes: `facts -> 'attributes'`,
      },
    },
    row: fc.record({
      color: nullable(anyText),
      weight: nullable(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
      attributes: json,
    }),
  },
  'a price in cents': {
    source: 'price numeric(12,2)',
    target: 'cents bigint',
    mapping: { forward: { cents: '(price * 100)::bigint' }, reverse: { price: '(cents / 100.0)::numeric(12, 2)' } },
    row: fc.record({ price: nullable(price.filter(value => value.replace('-', '').length <= 13)) }),
  },
  'flags gathered into a state': {
    source: 'active boolean NOT NULL, deleted_at timestamptz',
    target: 'state text NOT NULL, archived_at timestamptz, archived_from text',
    mapping: {
      forward: {
        state: `CASE WHEN deleted_at IS NOT NULL THEN 'archived' WHEN active THEN 'active' ELSE 'draft' END`,
        archived_at: 'deleted_at',
        archived_from: `CASE WHEN deleted_at IS NOT NULL THEN CASE WHEN active THEN 'active' ELSE 'draft' END END`,
      },
      reverse: { active: `coalesce(archived_from, state) = 'active'`, deleted_at: 'archived_at' },
    },
    row: fc.record({ active: fc.boolean(), deleted_at: nullable(instant) }),
  },
  'an enum, an array and bytes': {
    source: `mood mood, tags text[], raw bytea`,
    target: 'mood text, tags jsonb, raw text',
    mapping: {
      forward: { mood: 'mood::text', tags: 'to_jsonb(tags)', raw: `encode(raw, 'base64')` },
      reverse: {
        mood: 'mood',
        tags: `CASE WHEN tags IS NOT NULL THEN ARRAY(SELECT e FROM jsonb_array_elements_text(tags) WITH ORDINALITY AS t (e, n) ORDER BY n) END`,
        raw: `decode(raw, 'base64')`,
      },
    },
    row: fc.record({
      mood: nullable(fc.constantFrom('good', 'bad')),
      tags: nullable(fc.array(nullable(anyText), { maxLength: 4 })),
      raw: nullable(fc.uint8Array({ maxLength: 100 }).map(bytes => Buffer.from(bytes))),
    }),
  },
  'a filter': {
    source: 'kind text, name text',
    target: 'name text, kind text',
    mapping: { where: `kind = 'a'`, forward: { name: 'name', kind: 'kind' }, reverse: { name: 'name', kind: 'kind' } },
    row: fc.record({ kind: nullable(fc.constantFrom('a', 'b')), name: nullable(anyText) }),
  },
}

function syncOf({ mapping }: Typical): SyncInput {
  return { tables: [{ source: 'things', target: 'objects', key: { id: 'id' }, ...mapping }] }
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value
}

const RUNS = 25

describe('there and back gives the same row', () => {
  it.each(Object.entries(TYPICAL))('%s', { timeout: 120_000 }, async (_name, typical) => {
    const source = `CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE things (id int PRIMARY KEY, ${typical.source})`
    const target = `CREATE TABLE objects (id int PRIMARY KEY, ${typical.target})`
    const input = syncOf(typical)
    await using sync = await createHarness(createDatabase, source, target, input)
    await withSession(sync.source, monolith =>
      withSession(sync.target, async service => {
        const property = fc.asyncProperty(fc.array(typical.row, { minLength: 1, maxLength: 20 }), async rows => {
          await sync.onSource('TRUNCATE things')
          for (const [index, row] of rows.entries()) {
            const names = ['id', ...Object.keys(row)]
            const values = names.map((_, at) => `$${at + 1}`)
            await sync.onSource(`INSERT INTO things (${names.join(', ')}) VALUES (${values.join(', ')})`, [
              index,
              ...Object.values(row),
            ])
          }
          const trip = await probeRoundTrip(monolith, service, parseSync(input), 50)
          expect(trip.findings).toEqual([])
          const [expected] = await sync.onSource(
            `SELECT count(*)::int AS rows FROM things WHERE (${typical.mapping.where ?? 'true'}) IS TRUE`,
          )
          expect({ rows: trip.rows }).toEqual(expected)
        })
        await fc.assert(property, { numRuns: RUNS })
      }),
    )
  })
})

it('finds what a mapping loses: an empty text, a rounded price', async () => {
  const lossy = {
    tables: [
      {
        source: 'things',
        target: 'objects',
        key: { id: 'id' },
        forward: { a: `nullif(a, '')`, b: 'round(b, 1)', c: 'c' },
        reverse: { a: 'a', b: 'b', c: 'c' },
      },
    ],
  }
  const columns = 'id int PRIMARY KEY, a text, b numeric(12,2), c text'
  await using sync = await createHarness(
    createDatabase,
    `CREATE TABLE things (${columns})`,
    `CREATE TABLE objects (${columns})`,
    lossy,
  )
  await sync.onSource(`INSERT INTO things VALUES (1, '', 1.25, 'c'), (2, 'x', 1.20, NULL), (3, NULL, NULL, '')`)
  await withSession(sync.source, monolith =>
    withSession(sync.target, async service => {
      const { rows, findings } = await probeRoundTrip(monolith, service, parseSync(lossy), 50)
      expect(rows).toBe(3)
      expect(findings.map(({ where, problem }) => `${where}: ${problem}`)).toEqual([
        expect.stringMatching(/^public\.things\.a: 1 of 3 .* key 1$/),
        expect.stringMatching(/^public\.things\.b: 1 of 3 .* key 1$/),
      ])
    }),
  )
})

it.each([
  ['another row', 'id * 2', 'code / 3'],
  ['a row that is not there', 'id + 1000', 'code'],
])('finds a key that comes back as that of %s', async (_what, forward, reverse) => {
  const input: SyncInput = {
    tables: [
      {
        source: 'things',
        target: 'objects',
        key: { id: { to: 'code', forward, reverse } },
        forward: { a: 'a' },
        reverse: { a: 'a' },
      },
    ],
  }
  await using sync = await createHarness(
    createDatabase,
    `CREATE TABLE things (id int PRIMARY KEY, a text); INSERT INTO things SELECT n, 'same' FROM generate_series(0, 9) n`,
    `CREATE TABLE objects (code int PRIMARY KEY, a text)`,
    input,
  )
  await withSession(sync.source, monolith =>
    withSession(sync.target, async service => {
      const { rows, findings } = await probeRoundTrip(monolith, service, parseSync(input), 50)
      expect(rows).toBe(10)
      expect(findings).toEqual([
        {
          kind: 'problem',
          part: 'rows',
          where: 'public.things.id',
          problem: expect.stringMatching(/^(9|10) of 10 sampled rows come back with another key: .* key [01]$/),
          remedy: expect.stringContaining('tables[0].key.id.reverse'),
        },
      ])
    }),
  )
})

it('takes any names: of keys that look like SQL of its own, of a table named like an alias', async () => {
  const input: SyncInput = {
    tables: [
      {
        source: 'things',
        target: 't',
        key: { 'a p.b': 'c p.d' },
        forward: { x: 'a' },
        reverse: { a: 'coalesce(x, own)' },
      },
    ],
  }
  await using sync = await createHarness(
    createDatabase,
    `CREATE TABLE things ("a p.b" int PRIMARY KEY, a text); INSERT INTO things VALUES (1, NULL), (2, NULL)`,
    `CREATE TABLE t ("c p.d" int PRIMARY KEY, x text, own text); INSERT INTO t VALUES (1, NULL, NULL)`,
    input,
  )
  await withSession(sync.source, monolith =>
    withSession(sync.target, async service => {
      // The second row is not there yet, and what reverse makes of it is not known.
      expect(await probeRoundTrip(monolith, service, parseSync(input), 50)).toEqual({ rows: 1, findings: [] })
    }),
  )
})
