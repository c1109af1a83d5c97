import { readFile } from 'node:fs/promises'
import type { SyncInput } from '@ficus/cdc/mapping/define-sync'
import type { RowFunction } from '@ficus/cdc/mapping/row-function'

/** Both sides' tables. Every version of a row has a number that no other row ever has. */
export const readSchema = (side: 'source' | 'target'): Promise<string> =>
  readFile(new URL(`./${side}.sql`, import.meta.url), 'utf8')

/** Of these each write is noted. Rows that are read anew beside the stream are written twice, rightly. */
const NOTED = ['items', 'levels', 'tags']

/** Fires for whoever writes, sync included, and notes each write. */
export const NOTE_WRITES = [
  'TRUNCATE writes',
  ...NOTED.flatMap(table => [
    `CREATE OR REPLACE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION note()`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note`,
  ]),
].join('; ')

/** What the trigger saw: in all, and more than once, which must never be. */
export const COUNT_WRITES = `
  SELECT coalesce(sum(times), 0)::int AS seen, count(*) FILTER (WHERE times > 1)::int AS twice
  FROM (SELECT count(*) AS times FROM writes GROUP BY table_name, operation, version) AS w`

/** The target's indexes, which a first copy takes away and makes again. */
export const INDEXES = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`

/** What reviews are mapped by: null where they are not, else how many points a star is worth. */
export type Factor = number | null

/** Rows whose label begins with `hidden` have no counterpart. */
const labelled: RowFunction = ({ label = '', rank = null, version = null }) =>
  label?.startsWith('hidden')
    ? null
    : { shout: `${label?.toUpperCase()}!`, stars: '*'.repeat(Number(rank) % 5), version }

/** The mapping: the text of the sync file of a process imports it. */
export function mapping(factor: Factor): SyncInput {
  const reviews = {
    source: 'public.reviews',
    target: 'public.opinions',
    key: { id: 'review_id' },
    forward: { points: `stars * ${factor}`, body: 'body', version: 'version' },
  }
  return {
    tables: [
      {
        source: 'public.products',
        target: 'public.items',
        key: { id: 'item_id' },
        forward: { title: 'upper(name)', version: 'version', body: 'body' },
      },
      {
        source: 'public.stock',
        target: 'public.levels',
        key: { product_id: 'item_id', place: 'place' },
        forward: { pieces: 'amount * 12', version: 'version' },
      },
      {
        source: 'public.stock',
        target: 'public.pallets',
        key: { product_id: 'item_id', place: 'place' },
        each: { rows: 'generate_series(1, stock.amount % 4) AS pallet(number)', key: { number: 'pallet.number' } },
        forward: { version: 'version' },
      },
      {
        source: 'public.labels',
        target: 'public.tags',
        key: { id: 'tag_id' },
        columns: { forward: ['shout', 'stars', 'version'] },
        forward: labelled,
      },
      ...(factor === null ? [] : [reviews]),
    ],
  }
}

/** A sync file with that mapping, which has a function in it. */
export function syncFile(factor: Factor): string {
  return `import { mapping } from '${import.meta.url}'\nexport default mapping(${factor})\n`
}

/** Rows and a digest of all of them, for either side: equal tables give equal answers. */
export function digests(side: 'source' | 'target', factor: Factor): string[] {
  const ofSide = {
    source: [
      digest('products', 'id', 'upper(name), version, body'),
      digest('stock', 'product_id, place', 'amount * 12, version'),
      digest('stock, generate_series(1, amount % 4) AS number', 'product_id, place, number', 'version'),
      digest(`labels WHERE label NOT LIKE 'hidden%'`, 'id', `upper(label) || '!', repeat('*', rank % 5), version`),
      digest('reviews', 'id', `stars * ${factor}, body, version`),
    ],
    target: [
      digest('items', 'item_id', 'title, version, body'),
      digest('levels', 'item_id, place', 'pieces, version'),
      digest('pallets', 'item_id, place, number', 'version'),
      digest('tags', 'tag_id', 'shout, stars, version'),
      digest('opinions', 'review_id', 'points, body, version'),
    ],
  }[side]
  return factor === null ? ofSide.slice(0, -1) : ofSide
}

function digest(table: string, key: string, values: string): string {
  return `SELECT count(*)::int AS rows, md5(string_agg(md5(ROW(${key}, ${values})::text), '' ORDER BY ${key})) AS digest FROM ${table}`
}
