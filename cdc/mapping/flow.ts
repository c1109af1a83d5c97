import { quoteIdentifier, showTable, type TableName } from '@ficus/core/sql/identifier'
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
  /** Everything that is written, key columns first. */
  readonly columns: readonly MappedColumn[]
  /** Other flows write other columns of the same rows: a new row may be there already. */
  readonly shared?: true
  /** Gives the columns behind the key in Node; their expressions then stand for nothing. */
  readonly compute?: RowFunction
  /** Other tables of the database that rows come from, which the expressions look into. */
  readonly reads: readonly TableRead[]
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
  readonly forward: MappedSide
  readonly reverse: MappedSide
}

/** What one direction of a mapping writes, without the key. */
export interface MappedSide {
  readonly columns: readonly MappedColumn[]
  /** Gives the values in Node, instead of the columns' expressions. */
  readonly compute?: RowFunction
}

/** The flows of one direction, in the order of the sync file. Mappings without `reverse` have none in reverse. */
export function flowsOf(sync: Sync, direction: Direction): Flow[] {
  return sync.tables.flatMap((table, index) => {
    const path = `tables[${index}]`
    if (direction === 'forward') {
      const key = table.key.map(column => keyColumn(column.source, column.target, column.forward))
      return [
        {
          path,
          from: table.source,
          to: table.target,
          key,
          where: table.where,
          columns: [
            ...keys(
              key,
              table.key.map(column => column.forward),
            ),
            ...table.forward.columns,
          ],
          ...computeOf(table.forward),
          reads: table.reads,
        },
      ]
    }
    if (table.reverse.columns.length === 0) return []
    const key = table.key.map(column => keyColumn(column.target, column.source, column.reverse))
    const reverse = table.key.map(column => column.reverse)
    const columns = [...keys(key, reverse), ...table.reverse.columns]
    const tables = { from: table.target, to: table.source }
    const halves = sync.tables.filter(
      other => other.reverse.columns.length > 0 && showTable(other.source) === showTable(table.source),
    )
    const shared = halves.length > 1 ? { shared: true as const } : {}
    return [{ path, ...tables, key, where: null, columns, ...shared, ...computeOf(table.reverse), reads: [] }]
  })
}

function computeOf({ compute }: MappedSide): Pick<Flow, 'compute'> {
  return compute === undefined ? {} : { compute }
}

function keyColumn(from: string, to: string, expression: string | undefined): KeyColumn {
  return expression === undefined ? { from, to } : { from, to, computed: true }
}

function keys(key: readonly KeyColumn[], expressions: readonly (string | undefined)[]): MappedColumn[] {
  return key.map(({ from, to }, index) => ({ to, expression: expressions[index] ?? quoteIdentifier(from) }))
}

/** What a key column of the target is made of. */
export function keyExpressions(flow: Flow): readonly MappedColumn[] {
  return flow.columns.slice(0, flow.key.length)
}

/** The expressions that were written for `flow`, without the key's. */
export function mappedExpressions(flow: Flow): readonly MappedColumn[] {
  return flow.columns.slice(flow.key.length)
}

/** The tables that rows of `flows` come from and those that their expressions look into, each once. */
export function sourceTables(flows: readonly Flow[]): TableName[] {
  const tables = flows.flatMap(({ from, reads }) => [from, ...reads.map(read => read.table)])
  return [...new Map(tables.map(table => [showTable(table), table])).values()]
}

/** A user's SQL in brackets, so that it stays one operand. A comment at its end must not swallow the bracket. */
export function bracketed(expression: string): string {
  return expression.includes('--') ? `(${expression}\n)` : `(${expression})`
}
