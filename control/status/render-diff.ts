import type { DataDiff } from '../joint/cdc.ts'
import { table } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { showCount } from '../terminal/words.ts'

/** Prints what was compared, and the first rows that differ. */
export function renderDiff(diff: DataDiff, terminal: Terminal): void {
  const { colour } = terminal
  const counts = diff.tables.map(({ table: name, compared, differing }) => [
    name,
    showCount(compared),
    differing === 0 ? '0' : colour.red(showCount(differing)),
  ])
  terminal.line(table(['table', 'rows', 'differ'], counts))
  if (diff.rows.length === 0) return
  terminal.line()
  const rows = diff.rows.map(row => [row.table, JSON.stringify(row.key), row.kind, row.columns.join(', ')])
  terminal.line(table(['table', 'key', 'how', 'columns'], rows))
}
