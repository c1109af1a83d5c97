import Table from 'cli-table3'
import { type BenchRow, compareRounds, median } from '../report/report.ts'
import type { LagSample } from './lag.ts'
import { INITIAL_COPY, type NodeUse, type Turn } from './turn.ts'
import { PER_SECOND, type Sizes, workloadsOf } from './workload.ts'

/** The turns of both contenders, round by round. */
export interface Turns {
  readonly ficus: Turn[]
  readonly native: Turn[]
}

const NATIVE = 'PostgreSQL logical replication'
/** Commit to visible, ms. */
const LAG_LIMIT = 100
/** Resident, MB, however long the backlog. */
const MEMORY_LIMIT = 300

/** The rows of DESIGN.md's table that are about sync. A limit of our own stands where a peer would. */
export function rowsOf(turns: Turns, sizes: Sizes): BenchRow[] {
  const rates = [{ what: INITIAL_COPY, target: '>= 1.3' }, ...workloadsOf(sizes)].map(({ what, target }) => {
    const series = (of: readonly Turn[]) => of.map(turn => measuredOf(turn, what).rowsPerSecond)
    return compareRounds(what, 'rows/s', series(turns.ficus), NATIVE, series(turns.native), target)
  })
  const lags = (of: readonly Turn[], which: 'p50' | 'p99') => of.map(turn => turn.lag.lag[which])
  const lag = `lag at ${PER_SECOND.toLocaleString('en-US')} transactions/s`
  const constant = (limit: number) => turns.ficus.map(() => limit)
  const rows = [
    ...rates,
    compareRounds(`${lag}, p50`, 'ms', lags(turns.ficus, 'p50'), NATIVE, lags(turns.native, 'p50'), null),
    compareRounds(`${lag}, p99`, 'ms', lags(turns.ficus, 'p99'), NATIVE, lags(turns.native, 'p99'), null),
    compareRounds(`${lag}, p99`, 'ms', lags(turns.ficus, 'p99'), 'the limit', constant(LAG_LIMIT), '<= 1'),
  ]
  const peaks = turns.ficus.map(peakMemory)
  if (peaks.some(peak => peak === null)) return rows
  const megabytes = peaks.map(peak => (peak ?? 0) / 1024 / 1024)
  return [...rows, compareRounds('peak memory', 'MB', megabytes, 'the limit', constant(MEMORY_LIMIT), '<= 1')]
}

/** What the Node process of sync used for each measurement: the median of the rounds, and the highest peak. */
export function printNodeUse(turns: readonly Turn[]): void {
  const table = new Table({ head: ['Ficus’ Node process', 'CPU s per 100,000 rows', 'peak memory, MB'] })
  for (const what of turns[0]?.measured.keys() ?? []) {
    const uses = turns.flatMap(turn => measuredOf(turn, what).node ?? [])
    if (uses.length === 0) continue
    const peak = highest(uses)
    table.push([
      what,
      median(uses.map(use => use.cpuPer100k)).toFixed(2),
      peak === null ? 'unknown' : String(Math.round(peak / 1024 / 1024)),
    ])
  }
  console.log(table.toString())
}

/** What a reader should know before believing the rows. */
export function notesOf(turns: Turns, sizes: Sizes): string[] {
  const behind = (name: string, samples: readonly LagSample[]) =>
    samples
      .filter(({ rate }) => rate < PER_SECOND * 0.95)
      .map(
        ({ rate }) => `${name}: the source committed only ${Math.round(rate)} transactions/s while lag was measured.`,
      )
  const counts = [sizes.copied, ...workloadsOf(sizes).map(({ rows }) => rows)].map(rows => rows.toLocaleString('en-US'))
  return [
    `Rows: ${counts.join(', ')}; each backlog waited in the slot and is timed from its first reading to its last row.`,
    `Ficus renames, converts money and gathers jsonb meanwhile; PostgreSQL carries the rows as they are, in binary form.`,
    ...behind(
      'Ficus',
      turns.ficus.map(turn => turn.lag),
    ),
    ...behind(
      'PostgreSQL',
      turns.native.map(turn => turn.lag),
    ),
  ]
}

function measuredOf({ measured }: Turn, what: string) {
  const found = measured.get(what)
  if (found === undefined) throw new Error(`${what} was not measured`)
  return found
}

function peakMemory({ measured }: Turn): number | null {
  return highest([...measured.values()].flatMap(({ node }) => node ?? []))
}

/** Null where one is unknown. */
function highest(uses: readonly NodeUse[]): number | null {
  return uses.reduce<number | null>(
    (peak, use) => (peak === null || use.peakMemory === null ? null : Math.max(peak, use.peakMemory)),
    0,
  )
}
