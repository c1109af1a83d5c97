import { quoteIdentifier, showTable, type TableName } from '@ficus/core/sql/identifier'
import { columnsRead } from './expression-columns.ts'
import type { RowFunction } from './row-function.ts'

/** `forward` carries the monolith's rows to the service, `reverse` the service's to the monolith. */
export type Direction = 'forward' | 'reverse'

export function opposite(direction: Direction): Direction {
  return direction === 'forward' ? 'reverse' : 'forward'
}

/** A column of the table that rows go to, and the SQL over one row of the table they come from. */
export interface MappedColumn {
  readonly to: string
  readonly expression: string
}

/** A key column on both sides. */
export interface KeyColumn {
  readonly from: string
  readonly to: string
  /** Its value is not that of `from` but computed from it: the expression is the first of the flow's columns for `to`. */
  readonly computed?: true
}

/** One table's rows on their way to one other table, whichever the direction. */
export interface Flow {
  /** Where the mapping stands in the sync file: `tables[2]`. */
  readonly path: string
  readonly from: TableName
  readonly to: TableName
  readonly key: readonly KeyColumn[]
  /** Rows of `from` that do not match have no counterpart in `to`. */
  readonly where: string | null
  /** Everything that is written, key columns first, then those of `each`. */
  readonly columns: readonly MappedColumn[]
  /** A row of `from` has several in `to`, or none. */
  readonly each?: Each
  /** An entry of `back`: it runs in reverse, and is written as a mapping forward. */
  readonly back?: true
  /** Which rows of `to` are the flow's own: others are not compared, and no TRUNCATE takes them along. All, unless given. */
  readonly within?: Within
  /** The columns of the same rows that other flows write: a new row may be there already. */
  readonly shared?: readonly string[]
  /** Gives the columns behind the key in Node; their expressions then stand for nothing. */
  readonly compute?: RowFunction
  /** Other tables of the database that rows come from, which the expressions look into. */
  readonly reads: readonly TableRead[]
}

/** A condition over a row of the table that is written to, for the way back: the monolith has rows that the service does not. */
export interface Within {
  readonly where: string
  /** Other tables of the same database that it looks into. */
  readonly reads: readonly TableName[]
  /** It reads a column that sync writes: a row may become the flow's own by that. */
  readonly written?: true
}

/** The rows that a mapping makes of one source row. */
export interface Each {
  /** A FROM item over the source row, evaluated for each. */
  readonly rows: string
  /** The target's key columns that tell apart what one source row becomes. */
  readonly key: readonly MappedColumn[]
}

/** A table that expressions look into, and which of its rows belong to a row of the flow's own table. */
export interface TableRead {
  readonly table: TableName
  /** A row belongs to those of `from` that it matches in one of these ways. */
  readonly matches: readonly Match[]
  /** The columns that expressions see; none before the live table was looked at (mirror/read-columns.ts). */
  readonly columns: readonly string[]
}

/** The columns by which a row of a table read belongs to a row of the flow's own: `column` holds what `equals` holds. */
export type Match = readonly { readonly column: string; readonly equals: string }[]

/** A sync file that was read and is well formed. */
export interface Sync {
  readonly tables: readonly MappedTable[]
  /** From the service (`source`) to the monolith (`target`), in reverse alone; none of them has a `reverse`. */
  readonly back: readonly MappedTable[]
}

/** A key column of both sides, and what makes each of the other where they do not hold the same value. */
export interface KeyMapping {
  readonly source: string
  readonly target: string
  readonly forward?: string
  readonly reverse?: string
}

/** One entry of a sync file, its names parsed. */
export interface MappedTable {
  readonly source: TableName
  readonly target: TableName
  readonly key: readonly KeyMapping[]
  readonly where: string | null
  readonly reads: readonly TableRead[]
  readonly each?: Each
  /** Of an entry of `back`. */
  readonly within?: string
  readonly forward: MappedSide
  readonly reverse: MappedSide
}

/** What one direction of a mapping writes, without the key. */
export interface MappedSide {
  readonly columns: readonly MappedColumn[]
  /** Gives the values in Node, instead of the columns' expressions. */
  readonly compute?: RowFunction
}

/**
 * The flows of one direction, in the order of the sync file. In reverse these are the mappings that have `reverse`, then the
 * entries of `back`.
 */
export function flowsOf(sync: Sync, direction: Direction): Flow[] {
  if (direction === 'forward') return sync.tables.map((table, index) => forwardFlow(table, `tables[${index}]`))
  const reversed = sync.tables.flatMap((table, index) =>
    table.reverse.columns.length === 0 ? [] : [reverseFlow(table, `tables[${index}]`, sync)],
  )
  const back = sync.back.map((entry, index) => ({ ...forwardFlow(entry, `back[${index}]`), back: true as const }))
  return [...reversed, ...back]
}

/** The setting of the mapping that the columns of a flow were written as. */
export function settingOf(flow: Flow, direction: Direction): Direction {
  return flow.back ? 'forward' : direction
}

function forwardFlow(table: MappedTable, path: string): Flow {
  const key = table.key.map(column => keyColumn(column.source, column.target, column.forward))
  const forward = table.key.map(column => column.forward)
  const { source, where, reads, each, within } = table
  const columns = [...keys(key, forward, each === undefined ? null : source), ...(each?.key ?? [])]
  return {
    path,
    from: source,
    to: table.target,
    key,
    where,
    columns: [...columns, ...table.forward.columns],
    ...(each === undefined ? {} : { each }),
    ...(within === undefined ? {} : { within: withinOf(within, table.target, table.forward.columns) }),
    ...computeOf(table.forward),
    reads,
  }
}

function reverseFlow(table: MappedTable, path: string, sync: Sync): Flow {
  const key = table.key.map(column => keyColumn(column.target, column.source, column.reverse))
  const reverse = table.key.map(column => column.reverse)
  const columns = [...keys(key, reverse), ...table.reverse.columns]
  const tables = { from: table.target, to: table.source }
  const halves = sync.tables.filter(
    other => other.reverse.columns.length > 0 && showTable(other.source) === showTable(table.source),
  )
  const others = halves.filter(half => half !== table).flatMap(half => half.reverse.columns.map(({ to }) => to))
  const shared = halves.length > 1 ? { shared: others } : {}
  // What forward left out the service never had.
  const { where, reads } = table
  const written = halves.flatMap(half => half.reverse.columns)
  const own = where === null ? null : withinOf(where, table.source, written)
  const within = own === null ? {} : { within: { ...own, reads: reads.map(read => read.table) } }
  return { path, ...tables, key, where: null, columns, ...shared, ...within, ...computeOf(table.reverse), reads: [] }
}

/** @param written the columns of `table`, without the key's, that sync writes. */
function withinOf(where: string, table: TableName, written: readonly MappedColumn[]): Within {
  const names = written.map(({ to }) => to)
  const isWritten = columnsRead(where, table.table, names).size > 0
  return { where, reads: [], ...(isWritten ? { written: true as const } : {}) }
}

function computeOf({ compute }: MappedSide): Pick<Flow, 'compute'> {
  return compute === undefined ? {} : { compute }
}

function keyColumn(from: string, to: string, expression: string | undefined): KeyColumn {
  return expression === undefined ? { from, to } : { from, to, computed: true }
}

/** @param table beside which a row has others, whose columns may have the names of the key's. */
function keys(
  key: readonly KeyColumn[],
  expressions: readonly (string | undefined)[],
  table: TableName | null = null,
): MappedColumn[] {
  const of = table === null ? '' : `${quoteIdentifier(table.table)}.`
  return key.map(({ from, to }, index) => ({ to, expression: expressions[index] ?? `${of}${quoteIdentifier(from)}` }))
}

/** What the source row's key is at the target, and what it is made of. */
export function keyExpressions(flow: Flow): readonly MappedColumn[] {
  return flow.columns.slice(0, flow.key.length)
}

/** The columns by which the target's rows are told apart: those of the source row's key, then those of `each`. */
export function targetKey(flow: Flow): readonly MappedColumn[] {
  return flow.columns.slice(0, flow.key.length + (flow.each?.key.length ?? 0))
}

/** The expressions that were written for `flow`, without the target's key. */
export function mappedExpressions(flow: Flow): readonly MappedColumn[] {
  return flow.columns.slice(targetKey(flow).length)
}

/** What stands behind FROM: rows of the flow's own table under its bare name, each beside those that the mapping makes of it. */
export function withEach({ each }: Pick<Flow, 'each'>, rows: string): string {
  return each === undefined ? rows : `${rows} CROSS JOIN LATERAL ${withoutOpenEnd(each.rows)}`
}

/** The tables that rows of `flows` come from and those that their expressions look into, each once. */
export function sourceTables(flows: readonly Flow[]): TableName[] {
  const tables = flows.flatMap(({ from, reads }) => [from, ...reads.map(read => read.table)])
  return [...new Map(tables.map(table => [showTable(table), table])).values()]
}

/** A user's SQL in brackets, so that it stays one operand. A comment at its end must not swallow the bracket. */
export function bracketed(expression: string): string {
  return `(${withoutOpenEnd(expression)})`
}

function withoutOpenEnd(sql: string): string {
  return sql.includes('--') ? `${sql}\n` : sql
}
