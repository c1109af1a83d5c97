import { quoteIdentifier, quoteTable, type TableName } from '@ficus/core/sql/identifier'

/**
 * A query for keys of a table: the first and the last by key, where odd values gather, and as many from anywhere between.
 * @param key its key columns.
 * @param condition over the table's own columns, under its bare name.
 * @param size rows of each kind, at most.
 * @param estimatedRows of the table, for the share of its blocks that is looked at; 0 looks at all.
 */
export function sampleKeys(
  table: TableName,
  key: readonly string[],
  condition: string,
  size: number,
  estimatedRows: number,
): string {
  const columns = key.map(quoteIdentifier).join(', ')
  const descending = key.map(name => `${quoteIdentifier(name)} DESC`).join(', ')
  const alias = quoteIdentifier(table.table)
  const rows = `SELECT ${columns} FROM ${quoteTable(table)} AS ${alias}`
  // Twice as many blocks as would do, since rows are not spread evenly over them.
  const percent = estimatedRows === 0 ? 100 : Math.min(100, Math.max(0.01, (200 * size) / estimatedRows))
  return [
    `(${rows} WHERE ${condition} ORDER BY ${columns} LIMIT ${size})`,
    `(${rows} WHERE ${condition} ORDER BY ${descending} LIMIT ${size})`,
    `(${rows} TABLESAMPLE SYSTEM (${percent}) WHERE ${condition} LIMIT ${size})`,
  ].join(' UNION ')
}

/** `SELECT` of columns as text, from a query or a table in brackets. */
export function asText(columns: readonly string[], from: string): string {
  return `SELECT ${columns.map((name, index) => `${quoteIdentifier(name)}::text AS c${index}`).join(', ')} FROM ${from}`
}

/** `unnest` of one array of texts a column: `$1::text[], $2::text[]`, as rows `v (c0, c1)`. */
export function textRows(columns: readonly string[]): string {
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`)
  return `unnest(${arrays.join(', ')}) AS v (${columns.map((_, index) => `c${index}`).join(', ')})`
}

/** What `textRows` is given. */
export function textArrays(
  columns: readonly string[],
  rows: readonly Readonly<Record<string, string | null>>[],
): (string | null)[][] {
  return columns.map((_, index) => rows.map(row => row[`c${index}`] ?? null))
}
