import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { sourceSideType } from '../copy/copy-plan.ts'
import { bracketed, type Flow } from '../mapping/flow.ts'
import { columnOf, filterCondition } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { readsClause, readVersions } from '../mirror/reads-sql.ts'

/**
 * One side of a comparison as SQL. Every value is the text form of the target's column, so that equal rows have equal
 * texts on both sides; a row is the text of a record of those, in which null and the empty string differ.
 */
export interface DiffSide {
  /** What goes before SELECT: the tables that expressions look into. */
  readonly reads: string
  /** The table with the alias that expressions know it by, and its filter. */
  readonly from: string
  readonly where: string
  /** Text of each key column, then of each other mapped column. */
  readonly keys: readonly string[]
  readonly values: readonly string[]
  /** Changes whenever the row is written, or one that it is computed from. */
  readonly version: string
  /** The key columns themselves, quoted, and their types. */
  readonly keyColumns: readonly { readonly column: string; readonly type: string }[]
  /** Heap blocks to scan, or null where a table cannot be scanned by ranges of blocks. */
  readonly pages: number | null
}

/** The side that rows come from: the mapping's expressions, cast as the copy casts them. */
export function sourceSide(flow: Flow, source: TableShape, target: TableShape): DiffSide {
  const alias = quoteIdentifier(flow.from.table)
  const texts = flow.columns.map(
    ({ to, expression }) => `(${bracketed(expression)}::${sourceSideType(columnOf(target, to))})::text`,
  )
  return {
    reads: readsClause(flow),
    from: `${quoteTable(flow.from)} AS ${alias}`,
    where: filterCondition(flow),
    keys: texts.slice(0, flow.key.length),
    values: texts.slice(flow.key.length),
    version: `${alias}.xmin::text || ${alias}.ctid::text${readVersions(flow, alias)}`,
    keyColumns: flow.key.map(({ from }) => ({
      column: `${alias}.${quoteIdentifier(from)}`,
      type: columnOf(source, from).type,
    })),
    pages: pagesOf(source),
  }
}

/** The side that rows went to: its columns as they are. */
export function targetSide(flow: Flow, target: TableShape): DiffSide {
  const texts = flow.columns.map(({ to }) => `t.${quoteIdentifier(to)}::text`)
  return {
    reads: '',
    from: `${quoteTable(flow.to)} AS t`,
    where: 'true',
    keys: texts.slice(0, flow.key.length),
    values: texts.slice(flow.key.length),
    version: 't.xmin::text || t.ctid::text',
    keyColumns: flow.key.map(({ to }) => ({ column: `t.${quoteIdentifier(to)}`, type: columnOf(target, to).type })),
    pages: pagesOf(target),
  }
}

/**
 * For each bucket of keys: how many rows, and the sum of their hashes. A sum does not depend on the order in which rows
 * are read, so sums of parts of a table add up.
 * @param mask one less than the number of buckets, a power of two.
 */
export function bucketsSql(side: DiffSide, mask: number, range: string): string {
  const bucket = `hash_of_key & ${mask}`
  return `SELECT (${bucket})::int AS bucket, count(*)::text AS rows, sum(hash)::text AS hash FROM (${hashesSql(side, range)}) AS h GROUP BY ${bucket}`
}

/** Key and hash of every row in some buckets. */
export function bucketRowsSql(side: DiffSide, mask: number, buckets: readonly number[]): string {
  return `SELECT key, hash::text FROM (${hashesSql(side, 'true')}) AS h WHERE hash_of_key & ${mask} IN (${buckets.join(', ')})`
}

/** Rows by key, each value as text. `$1…` are arrays of the key columns' texts. */
export function rowsByKeySql(side: DiffSide, compareAsText: boolean): string {
  const wanted = side.keyColumns.map((key, index) => (compareAsText ? `u.k${index}` : `u.k${index}::${key.type}`))
  const own = side.keyColumns.map(key => (compareAsText ? `${key.column}::text` : key.column))
  const arrays = side.keyColumns.map((_, index) => `$${index + 1}::text[]`)
  return (
    `${side.reads}SELECT ARRAY[${side.keys.join(', ')}] AS key, ARRAY[${['NULL::text', ...side.values].join(', ')}] AS values, ${side.version} AS version ` +
    `FROM ${side.from} WHERE ${side.where} AND (${own.join(', ')}) IN ` +
    `(SELECT ${wanted.join(', ')} FROM unnest(${arrays.join(', ')}) AS u (${side.keyColumns.map((_, index) => `k${index}`).join(', ')}))`
  )
}

/** Ranges of blocks that together are the whole table. */
export function blockRanges(side: DiffSide, blocks: number): string[] {
  const pages = side.pages ?? 0
  const count = Math.max(1, Math.ceil(pages / blocks))
  if (side.pages === null || count === 1) return ['true']
  return Array.from({ length: count }, (_, index) => {
    const from = `ctid >= '(${index * blocks},0)'::tid`
    return index === count - 1 ? from : `${from} AND ctid < '(${(index + 1) * blocks},0)'::tid`
  })
}

function hashesSql(side: DiffSide, range: string): string {
  const key = `ARRAY[${side.keys.join(', ')}]`
  const row = `ROW(${[...side.keys, ...side.values].join(', ')})::text`
  return (
    `${side.reads}SELECT ${key} AS key, hashtextextended(${key}::text COLLATE "C", 0) AS hash_of_key, ` +
    `hashtextextended(${row} COLLATE "C", 0) AS hash FROM ${side.from} WHERE ${side.where} AND ${range}`
  )
}

function pagesOf(shape: TableShape): number | null {
  return shape.kind === 'table' ? shape.pages : null
}
