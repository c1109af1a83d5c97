import { readFile } from 'node:fs/promises'
import type { BackMapping, SyncInput, TableMapping } from '@ficus/cdc/mapping/define-sync'
import type { Direction } from '@ficus/cdc/mapping/flow'
import type { RowFunction } from '@ficus/cdc/mapping/row-function'

/** Both sides' tables. Every version of a row has a number that no other row ever has. */
export const readSchema = (side: 'source' | 'target'): Promise<string> =>
  readFile(new URL(`./${side}.sql`, import.meta.url), 'utf8')

/** Of these each write is noted. Rows that are read anew beside the stream are written twice, rightly. */
const NOTED = ['items', 'levels', 'tags', 'papers', 'offers']

/** Fires for whoever writes, sync included, and notes each write. */
export const NOTE_WRITES = [
  'TRUNCATE writes',
  ...NOTED.flatMap(table => [
    `CREATE OR REPLACE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION note()`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note`,
  ]),
].join('; ')

/** What the triggers saw of each table: in all, and more than once, which must never be. */
export const COUNT_WRITES = `
  SELECT table_name, sum(times)::int AS seen, count(*) FILTER (WHERE times > 1)::int AS twice
  FROM (SELECT table_name, count(*) AS times FROM writes GROUP BY table_name, operation, version) AS w
  GROUP BY table_name ORDER BY table_name`

/** The target's indexes, which a first copy takes away and makes again. */
export const INDEXES = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`

/** What reviews are mapped by: null where they are not, else how many points a star is worth. */
export type Factor = number | null

/** Rows whose label begins with `hidden` have no counterpart. */
const labelled: RowFunction = ({ label = '', rank = null, version = null }) =>
  label?.startsWith('hidden')
    ? null
    : { shout: `${label?.toUpperCase()}!`, stars: '*'.repeat(Number(rank) % 5), version }

/** A sync file that carries rows in `direction`, with a function in it: its text imports the mapping. */
export function syncFile(direction: Direction, factor: Factor): string {
  return `import { mapping } from '${import.meta.url}'\nexport default mapping('${direction}', ${factor})\n`
}

/** The mapping; in reverse the service has the tables that are written to, and the monolith gets them. */
export function mapping(direction: Direction, factor: Factor): SyncInput {
  if (direction === 'forward') return { tables: [PRODUCTS, STOCK, ...others(factor)] }
  return {
    tables: [turned(PRODUCTS, { name: 'title' }), turned(STOCK, { amount: 'pieces / 12' })],
    back: others(factor),
  }
}

const PRODUCTS = {
  source: 'public.products',
  target: 'public.items',
  key: { id: 'item_id' },
  forward: { title: 'upper(name)', version: 'version', body: 'body' },
}
const STOCK = {
  source: 'public.stock',
  target: 'public.levels',
  key: { product_id: 'item_id', place: 'place' },
  forward: { pieces: 'amount * 12', version: 'version' },
}

/** What a bundle's parts come to. */
const PARTS = {
  pieces: '(SELECT coalesce(sum(p.quantity), 0)::int FROM parts p WHERE p.bundle_id = bundles.id)',
  parts: `(SELECT string_agg(p.id || ':' || p.quantity, ' ' ORDER BY p.id) FROM parts p WHERE p.bundle_id = bundles.id)`,
}

/** What is written in the same way for either direction. */
function others(factor: Factor): (TableMapping & BackMapping)[] {
  const reviews = {
    source: 'public.reviews',
    target: 'public.opinions',
    key: { id: 'review_id' },
    forward: { points: `stars * ${factor}`, score: 'score', body: 'body', version: 'version' },
  }
  return [
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
    {
      source: 'public.drafts',
      target: 'public.papers',
      key: { id: 'paper_id' },
      forward: { line: 'line', version: 'version' },
    },
    // With each version a product may come into it, or go.
    {
      source: 'public.products',
      target: 'public.offers',
      key: { id: { to: 'code', forward: `'P' || id` } },
      where: 'version % 3 <> 0',
      forward: { title: 'name', version: 'version' },
    },
    {
      source: 'public.bundles',
      target: 'public.kits',
      key: { id: { to: 'code', forward: `'B' || id` } },
      where: `shelf <> 'attic'`,
      reads: { 'public.parts': { bundle_id: 'id' } },
      forward: { shelf: 'shelf', ...PARTS, version: 'version' },
    },
    ...(factor === null ? [] : [reviews]),
  ]
}

/** A mapping the other way round: what it writes is written in reverse, and `forward` is what would lead here. */
function turned(
  { source, target, key, forward }: typeof PRODUCTS | typeof STOCK,
  back: Record<string, string>,
): TableMapping {
  const names = Object.entries(key).map(([from, to]) => [to, from])
  return { source: target, target: source, key: Object.fromEntries(names), forward: back, reverse: { ...forward } }
}

/** A table of the target, and the rows that it must hold: `select` of the source's rows gives its columns, the key's first. */
interface Expected {
  readonly table: string
  readonly columns: string
  readonly keys: number
  readonly select: string
}

function expectedTables(factor: Factor): Expected[] {
  const tables = [
    {
      table: 'items',
      columns: 'item_id, title, version, body',
      keys: 1,
      select: 'SELECT id, upper(name), version, body FROM products',
    },
    {
      table: 'levels',
      columns: 'item_id, place, pieces, version',
      keys: 2,
      select: 'SELECT product_id, place, amount * 12, version FROM stock',
    },
    {
      table: 'pallets',
      columns: 'item_id, place, number, version',
      keys: 3,
      select: 'SELECT product_id, place, number, version FROM stock, generate_series(1, amount % 4) AS number',
    },
    {
      table: 'tags',
      columns: 'tag_id, shout, stars, version',
      keys: 1,
      select: `SELECT id, upper(label) || '!', repeat('*', rank % 5), version FROM labels WHERE label NOT LIKE 'hidden%'`,
    },
    {
      table: 'papers',
      columns: 'paper_id, line, version',
      keys: 1,
      select: 'SELECT id, line, version FROM drafts',
    },
    {
      table: 'offers',
      columns: 'code, title, version',
      keys: 1,
      select: `SELECT 'P' || id, name, version FROM products WHERE version % 3 <> 0`,
    },
    {
      table: 'kits',
      columns: 'code, shelf, pieces, parts, version',
      keys: 1,
      select: `SELECT 'B' || id, shelf, ${PARTS.pieces}, ${PARTS.parts}, version FROM bundles WHERE shelf <> 'attic'`,
    },
    {
      table: 'opinions',
      columns: 'review_id, points, score, body, version',
      keys: 1,
      select: `SELECT id, stars * ${factor}, score, body, version FROM reviews`,
    },
  ]
  return factor === null ? tables.slice(0, -1) : tables
}

/** Rows and a digest of all of them, for either side: equal tables give equal answers. */
export function digests(side: 'source' | 'target', factor: Factor): string[] {
  return expectedTables(factor).map(({ table, columns, keys, select }) => {
    const rows = side === 'source' ? select : `SELECT ${columns} FROM ${table}`
    const key = columns.split(', ').slice(0, keys).join(', ')
    return `SELECT count(*)::int AS rows, md5(string_agg(md5(ROW(${columns})::text), '' ORDER BY ${key})) AS digest
            FROM (${rows}) AS r (${columns})`
  })
}

/** For each table a query of the source for its rows as JSON, and the statement that fills the target with them as $1. */
export function fillings(factor: Factor): { readonly read: string; readonly fill: string }[] {
  return expectedTables(factor).map(({ table, columns, select }) => ({
    read: `SELECT json_agg(r)::text AS rows FROM (${select}) AS r (${columns})`,
    fill: `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM json_populate_recordset(null::${table}, $1)`,
  }))
}
