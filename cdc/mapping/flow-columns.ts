import { showTable, type TableName } from '@ficus/core/sql/identifier'
import { columnsRead } from './expression-columns.ts'
import { type Flow, mappedExpressions } from './flow.ts'

/** The columns of its source table that `flow` reads: the key's, and those that its expressions may read; a function all. */
export function flowColumns(flow: Flow, columns: readonly string[]): Set<string> {
  if (flow.compute !== undefined) return new Set(columns)
  const ofEach = flow.each === undefined ? [] : [flow.each.rows, ...flow.each.key.map(({ expression }) => expression)]
  const expressions = [...mappedExpressions(flow).map(({ expression }) => expression), flow.where ?? '', ...ofEach]
  const read = expressions.flatMap(expression => [...columnsRead(expression, flow.from.table, columns)])
  return new Set([...flow.key.map(({ from }) => from), ...read])
}

/** The columns of `table` that any of the flows from it reads. */
export function columnsOf(flows: readonly Flow[], table: TableName, columns: readonly string[]): ReadonlySet<string> {
  const ofTable = flows.filter(({ from }) => showTable(from) === showTable(table))
  return new Set(ofTable.flatMap(flow => [...flowColumns(flow, columns)]))
}
