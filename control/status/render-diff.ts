import { table } from '@ficus/core/terminal/table'
import type { DataDiff, DiffManner } from '../joint/diff.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { plural, showCount } from '../terminal/words.ts'

/** Prints what was compared and how, and the first rows that differ. */
export function renderDiff(diff: DataDiff, terminal: Terminal): void {
  const { colour } = terminal
  const counts = diff.tables.map(({ table: name, compared, differing }) => [
    name,
    showCount(compared),
    differing === 0 ? '0' : colour.red(showCount(differing)),
  ])
  terminal.line(table(['table', 'rows', 'differ'], counts))
  const compared = diff.tables.reduce((sum, each) => sum + each.compared, 0)
  const { settled, resumed, since } = diff.manner
  terminal.line(colour.dim(describeManner(diff.manner, compared)))
  if (settled > 0) {
    const rows = plural(settled, 'row that looked different was', 'rows that looked different were')
    terminal.line(colour.dim(`${rows} equal when looked at again`))
  }
  if (resumed) terminal.line(colour.dim(`went on with an earlier run: compared since ${since}`))
  if (diff.rows.length === 0) return
  terminal.line()
  const rows = diff.rows.map(row => [row.table, JSON.stringify(row.key), row.kind, row.columns.join(', ')])
  terminal.line(table(['table', 'key', 'how', 'columns'], rows))
  const values = diff.rows.flatMap(({ table: name, key, values = {} }) =>
    Object.entries(values).map(([column, { source, target }]) => [
      name,
      JSON.stringify(key),
      column,
      showValue(source),
      showValue(target),
    ]),
  )
  if (values.length === 0) return
  terminal.line()
  terminal.line(table(['table', 'key', 'column', 'source', 'target'], values))
}

/** How it was compared, in a line. */
export function describeManner(manner: DiffManner, compared: number): string {
  const { mode, inexact, positions, pausedMs, seconds } = manner
  const pace = `${showCount(compared / Math.max(seconds, 0.001))} rows/s`
  if (mode === 'recheck')
    return `rows that look different were looked at again${inexact === null ? '' : ` (${inexact})`}; ${pace}`
  const where = positions.length === 1 ? `at one position, ${positions[0]}` : `at ${positions.length} positions`
  return `both sides ${where}; sync stood still for ${plural(pausedMs, 'millisecond')}; ${pace}`
}

function showValue(value: string | null | undefined): string {
  if (value === undefined) return '(no row)'
  return value === null ? 'NULL' : JSON.stringify(value)
}
