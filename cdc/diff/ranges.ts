import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import pg from 'pg'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { columnOf } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import type { DiffSide } from './diff-sql.ts'

/** Rows of both sides whose keys lie between two; the ranges of a table together are all its rows. */
export interface KeyRange {
  /** The target's key, as text; what is above it. Null: from the first. */
  readonly above: readonly string[] | null
  /** Up to and with this one. Null: to the last. */
  readonly upTo: readonly string[] | null
}

export const WHOLE_TABLE: KeyRange = { above: null, upTo: null }

/** Sampled rows for each range: enough that the ranges are about equal. */
const SAMPLED = 500
/** Below this the rows of a range of keys lie all over the table, so that every range would read most of it. */
const MIN_CORRELATION = 0.5
/** A table of this size stays in memory, wherever its rows lie: 64 MB of 8 kB blocks. */
const SMALL_PAGES = 8_192

/** Types whose order is the same in every database; a text's depends on the collation. */
const INTEGERS = ['smallint', 'integer', 'bigint']
const ORDERED = new Set(['uuid', 'date', 'numeric', 'bytea', 'timestamp without time zone', 'timestamp with time zone'])

/**
 * Cuts a table into ranges of about `rows` rows, by a sample of the target's keys.
 * @returns the whole table as one range where its keys have no order that both sides share, or no index has it.
 */
export async function planRanges(source: Client, target: Client, flow: ShapedFlow, rows: number): Promise<KeyRange[]> {
  const estimated = Math.max(estimateRows(flow.source), estimateRows(flow.target))
  const count = Math.ceil(estimated / rows)
  if (count <= 1 || !isOrderedAlike(flow)) return [WHOLE_TABLE]
  const [first] = flow.flow.key
  if (first === undefined) return [WHOLE_TABLE]
  const scattered = await Promise.all([
    isScattered(source, flow.source, first.from),
    isScattered(target, flow.target, first.to),
  ])
  if (scattered.includes(true)) return [WHOLE_TABLE]
  return rangesBetween(await sampleKeys(target, flow, count, estimated))
}

/** The condition that a row of one side is in a range. */
export function rangeCondition(side: DiffSide, types: readonly string[], { above, upTo }: KeyRange): string {
  const columns = side.keyColumns.map(({ column }) => column).join(', ')
  const row = (key: readonly string[]) =>
    key.map((value, index) => `${pg.escapeLiteral(value)}::${types[index]}`).join(', ')
  return [
    ...(above === null ? [] : [`(${columns}) > (${row(above)})`]),
    ...(upTo === null ? [] : [`(${columns}) <= (${row(upTo)})`]),
    'true',
  ].join(' AND ')
}

/** @param bounds keys in ascending order. */
export function rangesBetween(bounds: readonly (readonly string[])[]): KeyRange[] {
  return [...bounds, null].map((upTo, index) => ({ above: bounds[index - 1] ?? null, upTo }))
}

/** Statistics may be missing; then the file's size has to do. */
function estimateRows({ estimatedRows, pages }: TableShape): number {
  return estimatedRows > 0 ? estimatedRows : (pages ?? 0) * 50
}

function isOrderedAlike({ flow, source, target }: ShapedFlow): boolean {
  if (flow.each !== undefined) return false
  const comparable = flow.key.every(({ from, to, computed }) => {
    if (computed) return false
    // A row whose key is null is in no range.
    if (!columnOf(source, from).notNull || !columnOf(target, to).notNull) return false
    const [a, b] = [columnOf(source, from).type, columnOf(target, to).type]
    return (INTEGERS.includes(a) && INTEGERS.includes(b)) || (a === b && ORDERED.has(a))
  })
  const isIndexed = (shape: TableShape, names: readonly string[]) =>
    shape.uniqueKeys.some(key => key.length === names.length && key.every((name, index) => name === names[index]))
  return (
    comparable &&
    isIndexed(
      source,
      flow.key.map(({ from }) => from),
    ) &&
    isIndexed(
      target,
      flow.key.map(({ to }) => to),
    )
  )
}

async function isScattered(client: Client, { name, kind, pages }: TableShape, column: string): Promise<boolean> {
  if (kind !== 'table' || pages === null || pages < SMALL_PAGES) return false
  const { rows } = await client.query<{ correlation: number | null }>(
    'SELECT correlation FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3',
    [name.schema, name.table, column],
  )
  const correlation = rows[0]?.correlation
  return correlation != null && Math.abs(correlation) < MIN_CORRELATION
}

async function sampleKeys(
  client: Client,
  { flow, target }: ShapedFlow,
  count: number,
  estimated: number,
): Promise<string[][]> {
  const columns = flow.key.map(({ to }) => quoteIdentifier(to))
  const percent = Math.min(100, (100 * SAMPLED * count) / estimated)
  const { rows } = await client.query<{ key: string[] }>(
    `SELECT ARRAY[${columns.map(column => `${column}::text`).join(', ')}] AS key
     FROM (SELECT ${columns.join(', ')}, row_number() OVER (ORDER BY ${columns.join(', ')}) AS number, count(*) OVER () AS total
           FROM ${quoteIdentifier(target.name.schema)}.${quoteIdentifier(target.name.table)} TABLESAMPLE SYSTEM (${percent})) AS sample
     WHERE number % greatest(1, ceil(total / ${count}::float8)::int8) = 0 AND number < total
     ORDER BY number`,
  )
  return rows.map(row => row.key)
}
