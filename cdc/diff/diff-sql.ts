import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { blockRanges } from '../copy/copy-plan.ts'
import { bracketed, type Flow, targetKey, withEach } from '../mapping/flow.ts'
import { columnOf, filterCondition, sourceSideType } from '../mapping/merge-sql.ts'
import type { ColumnShape, TableShape } from '../mapping/table-shape.ts'
import { ownRows } from '../mapping/within.ts'
import { readsClause, readVersions } from '../mirror/reads-sql.ts'
import type { ComputedSide } from './computed-side.ts'

/**
 * One side of a comparison as SQL. Every value is in the form of the target's column. A row is hashed in the binary form
 * in which the server sends a record of these, where null and the empty string, 1.0 and 1.00, 0 and -0 differ; what is
 * shown of a row, and decides in the end, is its text.
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
  /** All of them as what is hashed. */
  readonly images: readonly string[]
  /** The row's place in the heap. */
  readonly ctid: string
  /** Changes whenever the row is written, or one that it is computed from. */
  readonly version: string
  /** The key columns themselves, quoted, and their types; where the key is computed, what it is computed by. */
  readonly keyColumns: readonly { readonly column: string; readonly type: string }[]
  /** Where a function makes the rows: how they come to be where this side looks. */
  readonly computed?: ComputedSide
  /** Heap blocks to scan, or null where a table cannot be scanned by ranges of blocks. */
  readonly pages: number | null
}

/** The side that rows come from: the mapping's expressions, cast as the copy casts them. */
export function sourceSide(flow: Flow, source: TableShape, target: TableShape): DiffSide {
  const alias = quoteIdentifier(flow.from.table)
  const values = flow.columns.map(({ to, expression }) => {
    const column = columnOf(target, to)
    return { column, value: `(${bracketed(expression)}::${sourceSideType(column)})` }
  })
  const texts = values.map(({ value }) => `${value}::text`)
  const key = targetKey(flow)
  return {
    reads: readsClause(flow),
    from: withEach(flow, `${quoteTable(flow.from)} AS ${alias}`),
    where: filterCondition(flow),
    keys: texts.slice(0, key.length),
    values: texts.slice(key.length),
    images: values.map(({ column, value }) => (sentAsText(column) ? `${value}::text` : value)),
    ctid: `${alias}.ctid`,
    version: `${alias}.xmin::text || ${alias}.ctid::text${readVersions(flow, alias)}`,
    keyColumns: key.map(({ to }, index) => {
      const own = flow.key[index]
      return own === undefined || own.computed
        ? { column: values[index]?.value ?? '', type: sourceSideType(columnOf(target, to)) }
        : { column: `${alias}.${quoteIdentifier(own.from)}`, type: columnOf(source, own.from).type }
    }),
    pages: source.pages,
  }
}

/** The side that rows went to: its columns as they are, of the rows that are the flow's own. */
export function targetSide(flow: Flow, target: TableShape): DiffSide {
  const alias = quoteIdentifier(flow.to.table)
  const values = flow.columns.map(({ to }) => ({
    column: columnOf(target, to),
    value: `${alias}.${quoteIdentifier(to)}`,
  }))
  const key = targetKey(flow)
  const { reads, table, where } = ownRows(flow)
  return {
    ...shownValues(values, key.length),
    reads,
    from: table,
    where,
    ctid: `${alias}.ctid`,
    version: `${alias}.xmin::text || ${alias}.ctid::text`,
    keyColumns: key.map(({ to }) => ({
      column: `${alias}.${quoteIdentifier(to)}`,
      type: columnOf(target, to).type,
    })),
    pages: target.pages,
  }
}

/** What is shown and hashed of values that have the types of the target's columns. */
export function shownValues(
  values: readonly { readonly column: ColumnShape; readonly value: string }[],
  keyLength: number,
): Pick<DiffSide, 'keys' | 'values' | 'images'> {
  const texts = values.map(({ value }) => `${value}::text`)
  return {
    keys: texts.slice(0, keyLength),
    values: texts.slice(keyLength),
    images: values.map(({ column, value }) => imageOf(column, value)),
  }
}

/**
 * For each bucket of rows: how many, and the sum of their hashes. A sum does not depend on the order in which rows are
 * read, so sums of parts of a table add up. A row is in the bucket that its hash says.
 * @param mask one less than the number of buckets, a power of two.
 */
export function bucketsSql(side: DiffSide, mask: number, range: string): string {
  const rows = hashesSql(side, range)
  if (mask === 0) {
    return `SELECT 0 AS bucket, count(*)::text AS rows, coalesce(sum(hash), 0)::text AS hash FROM (${rows}) AS h`
  }
  return `SELECT (hash & ${mask})::int AS bucket, count(*)::text AS rows, sum(hash)::text AS hash FROM (${rows} ${ONCE}) AS h GROUP BY 1`
}

/** Key and hash of every row of a range that is in some buckets. */
export function bucketRowsSql(side: DiffSide, mask: number, buckets: readonly number[], range: string): string {
  const key = `ARRAY[${side.keys.join(', ')}] AS key`
  return `SELECT key, hash::text FROM (${hashesSql(side, range, key)} ${ONCE}) AS h WHERE hash & ${mask} IN (${buckets.join(', ')})`
}

/** Rows by key, each value as text. `$1…` are arrays of the key columns' texts. */
export function rowsByKeySql(side: DiffSide, compareAsText: boolean): string {
  const select = `${side.reads}SELECT ARRAY[${side.keys.join(', ')}] AS key, ARRAY[${['NULL::text', ...side.values].join(', ')}] AS values, ${side.version} AS version`
  return `${select} FROM ${side.from} WHERE ${side.where} AND ${keysCondition(side, compareAsText)}`
}

/** The condition that a row has one of the keys; parameters as in `rowsByKeySql`. */
export function keysCondition(side: DiffSide, compareAsText: boolean): string {
  const wanted = side.keyColumns.map((key, index) => (compareAsText ? `u.k${index}` : `u.k${index}::${key.type}`))
  const own = side.keyColumns.map(key => (compareAsText ? `${key.column}::text` : key.column))
  const arrays = side.keyColumns.map((_, index) => `$${index + 1}::text[]`)
  return (
    `(${own.join(', ')}) IN ` +
    `(SELECT ${wanted.join(', ')} FROM unnest(${arrays.join(', ')}) AS u (${side.keyColumns.map((_, index) => `k${index}`).join(', ')}))`
  )
}

/** Ranges of blocks that together are the whole table. */
export function sideRanges({ ctid, pages }: DiffSide, blocks: number): string[] {
  return pages === null || pages <= blocks ? ['true'] : blockRanges(ctid, pages, blocks)
}

/** Keeps the planner from writing the hash into each place where it is used, to be computed there again. */
const ONCE = 'OFFSET 0'

function hashesSql(side: DiffSide, range: string, key?: string): string {
  // `hash_record_extended` is in every server since 14, and hashes a record of one column with that column's function.
  const hash = `hash_record_extended(ROW(record_send(ROW(${side.images.join(', ')}))), 0) AS hash`
  return `${side.reads}SELECT ${key === undefined ? hash : `${key}, ${hash}`} FROM ${side.from} WHERE ${side.where} AND ${range}`
}

/** What travels as text because only one database knows its type, and so is compared as text. */
function imageOf(column: ColumnShape, value: string): string {
  if (sentAsText(column) || column.wireType === column.type) return sentAsText(column) ? `${value}::text` : value
  return `${value}::${column.wireType}`
}

/**
 * Types whose binary form is not what tells values apart: a name of an object is sent as its OID, blanks at the end of
 * a `character` mean nothing, a type of a user's making may have none.
 */
function sentAsText({ wireType, binary }: ColumnShape): boolean {
  return !binary || /^(reg|bpchar|character($|\[))/.test(wireType)
}
