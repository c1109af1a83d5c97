import { table } from '@ficus/core/terminal/table'
import type { DataDiff, DiffManner } from '../joint/diff.ts'
import { showKey } from '../joint/parked.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { plural, showCount } from '../terminal/words.ts'

/** Prints what was compared and how, and the first rows that differ. */
export function renderDiff(diff: DataDiff, terminal: Terminal): void {
  const { colour } = terminal
  const found = (count: number) => (count === 0 ? '0' : colour.red(showCount(count)))
  // Rarely is there a row that changed at each look: no column for it else.
  const hasUndecided = diff.tables.some(({ undecided }) => undecided > 0)
  const counts = diff.tables.map(({ table: name, compared, differing, undecided }) => [
    name,
    showCount(compared),
    found(differing),
    ...(hasUndecided ? [found(undecided)] : []),
  ])
  terminal.line(table(['table', 'rows', 'differ', ...(hasUndecided ? ['undecided'] : [])], counts))
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
  const rows = diff.rows.map(row => [row.table, showKey(row.key), row.kind, row.columns.join(', ')])
  terminal.line(
    table(['table', 'key', diff.direction === 'reverse' ? 'on the monolith' : 'on the service', 'columns'], rows),
  )
  const unnamed = diff.tables.reduce((sum, { differing }) => sum + differing, 0) - diff.rows.length
  if (unnamed > 0) terminal.line(colour.dim(`and ${plural(unnamed, 'row')} more that differ and are not named`))
  const values = diff.rows.flatMap(({ table: name, key, values = {} }) =>
    Object.entries(values).map(([column, { source, target }]) => [
      name,
      showKey(key),
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
  const { mode, inexact, positions, pausedMs, seconds, resumed } = manner
  // Most of the rows may be an earlier run's.
  const pace = resumed ? '' : `; ${showCount(compared / Math.max(seconds, 0.001))} rows/s`
  if (mode === 'recheck')
    return `rows that look different were looked at again${inexact === null ? '' : ` (${inexact})`}${pace}`
  const where = positions.length === 1 ? `at one position, ${positions[0]}` : `at ${positions.length} positions`
  return `both sides ${where}; sync stood still for ${plural(pausedMs, 'millisecond')}${pace}`
}

function showValue(value: string | null | undefined): string {
  if (value === undefined) return '(no row)'
  return value === null ? 'NULL' : JSON.stringify(value)
}
