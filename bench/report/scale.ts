import { table } from '@ficus/core/terminal/table'
import { type BenchRow, compareRounds } from './report.ts'

/** Millions of rows at which cost is shown to grow with them. */
export const MILLIONS = [0.1, 1, 10]
/** Resident, MB, however long the backlog. */
const MEMORY_LIMIT = 300

/** What so many rows took a contender; null where the system does not tell. */
export interface Cost {
  readonly rowsPerSecond: number
  /** CPU seconds per 100,000 rows: of the process that carries them, and of the servers that all contenders need. */
  readonly ownCpu: number | null
  readonly serverCpu: number | null
  /** Of the process that carries them, resident, bytes. */
  readonly peakMemory: number | null
}

/** The cells of a line of `costTable`, behind what it is about. */
export function costCells({ rowsPerSecond, ownCpu, serverCpu, peakMemory }: Cost): string[] {
  const seconds = (value: number | null) => value?.toFixed(2) ?? 'unknown'
  const peak = peakMemory === null ? 'unknown' : (peakMemory / 2 ** 20).toFixed(0)
  return [Math.round(rowsPerSecond).toLocaleString('en-US'), seconds(ownCpu), seconds(serverCpu), peak]
}

/** @param about the heads of the columns that say what each line is about. */
export function costTable(about: readonly string[], lines: readonly (readonly string[])[]): string {
  return table([...about, 'rows/s', 'CPU s per 100,000 rows: Node', 'servers', 'peak, MB'], lines)
}

/** Peaks of a process, in bytes, a round each, beside what it may take. */
export function memoryRow(what: string, peaks: readonly number[]): BenchRow {
  const limits = peaks.map(() => MEMORY_LIMIT)
  const megabytes = peaks.map(bytes => bytes / 2 ** 20)
  return compareRounds(what, 'MB', megabytes, 'the limit', limits, '<= 1')
}
