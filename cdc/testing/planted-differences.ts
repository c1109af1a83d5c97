import type { SyncInput } from '../mapping/define-sync.ts'

/** Tables whose columns are of the types in which values are easily taken for one another. */
export const READINGS = `
  CREATE TABLE readings (
    id bigint PRIMARY KEY, label text, note text, amount numeric, price numeric(12,2), ratio float8, big bigint,
    document jsonb, taken timestamptz, raw bytea)`

export const COPIES = READINGS.replace('readings', 'copies').replace('id bigint', 'copy_id bigint')

/** A mapping that computes a column, as mappings do. */
export const READINGS_SYNC: SyncInput = {
  tables: [
    {
      source: 'public.readings',
      target: 'public.copies',
      key: { id: 'copy_id' },
      forward: {
        label: `coalesce(label, '-')`,
        ...Object.fromEntries(
          ['note', 'amount', 'price', 'ratio', 'big', 'document', 'taken', 'raw'].map(name => [name, name]),
        ),
      },
    },
  ],
}

/** Rows `first` to `last`; note is '', null or a text in turn. */
export function addReadings(first: number, last: number): string {
  return `
    INSERT INTO readings
    SELECT n, 'reading ' || n, CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'note ' || n END, n * 1.0, (n % 10000) / 100.0, 0,
           n + 4294967296, jsonb_build_object('n', 9007199254740992 + n, 'unit', 'kg'),
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second', decode(md5(n::text), 'hex')
    FROM generate_series(${first}::bigint, ${last}::bigint) AS n`
}

/** A difference to be planted in the target, and what a comparison has to say of it. */
export interface PlantedDifference {
  readonly what: string
  readonly id: number
  readonly sql: string
  readonly kind: 'missing' | 'extra' | 'different'
  readonly columns: readonly string[]
}

/** One of each kind, spread over the keys 1 to `rows`; at least 100. */
export function plantedDifferences(rows: number): PlantedDifference[] {
  const changes: readonly (readonly [what: string, column: string, value: string])[] = [
    ['a digit at the end of a numeric', 'amount', 'amount + 1e-30'],
    ['1.0 and 1.00', 'amount', 'round(amount, 2)'],
    ['one hundredth', 'price', 'price + 0.01'],
    ['a space at the end', 'label', `label || ' '`],
    ['null for an empty string', 'note', 'NULL'],
    ['-0 and 0', 'ratio', `'-0'`],
    ['a bit in the upper half of an int8', 'big', 'big # (1::bigint << 40)'],
    ['both halves of an int8, as its hash folds them', 'big', 'big # 4294967297'],
    ['a jsonb number beyond 2^53', 'document', `jsonb_set(document, '{n}', to_jsonb((document ->> 'n')::numeric + 1))`],
    ['a jsonb number 1 and 1.0', 'document', `document || jsonb_build_object('n', (document ->> 'n')::numeric * 1.0)`],
    ['a microsecond', 'taken', `taken + interval '1 microsecond'`],
    ['a bit in a bytea', 'raw', 'set_bit(raw, 77, 1 - get_bit(raw, 77))'],
    ['a letter of the other case', 'label', 'initcap(label)'],
  ]
  const step = Math.floor(rows / (changes.length + 2))
  // An empty note is where the key is a multiple of three.
  const at = (index: number) => (index + 1) * step - (((index + 1) * step) % 3)
  const different = changes.map(([what, column, value], index): PlantedDifference => {
    const id = at(index)
    return {
      what,
      id,
      sql: `UPDATE copies SET ${column} = ${value} WHERE copy_id = ${id}`,
      kind: 'different',
      columns: [column],
    }
  })
  const gone = at(changes.length)
  const extra = rows + 1_000_000_007
  return [
    ...different,
    {
      what: 'a missing row',
      id: gone,
      sql: `DELETE FROM copies WHERE copy_id = ${gone}`,
      kind: 'missing',
      columns: [],
    },
    {
      what: 'an extra row',
      id: extra,
      sql: `INSERT INTO copies (copy_id) VALUES (${extra})`,
      kind: 'extra',
      columns: [],
    },
  ]
}
