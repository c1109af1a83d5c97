import Table from 'cli-table3'
import { type BenchRow, compareRounds, median } from '../report/report.ts'
import type { LagSample } from './lag.ts'
import { INITIAL_COPY, type Measured, type Turn } from './turn.ts'
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
  const peaks = turns.ficus.flatMap(peakOf)
  if (peaks.length < turns.ficus.length) return rows
  return [...rows, compareRounds('peak memory', 'MB', peaks, 'the limit', constant(MEMORY_LIMIT), '<= 1')]
}

/**
 * The CPU that each measurement took, the median of the rounds. On a machine that does other things besides it says
 * more than rows in a second. With it, the most memory that the Node process of sync had.
 */
export function printProcessorTime(turns: Turns): void {
  const head = ['CPU s per 100,000 rows', 'Ficus: Node', 'Ficus: servers', 'PostgreSQL: servers', 'Node’s peak, MB']
  const table = new Table({ head })
  for (const what of turns.ficus[0]?.measured.keys() ?? []) {
    const ficus = turns.ficus.map(turn => measuredOf(turn, what))
    const native = turns.native.map(turn => measuredOf(turn, what))
    const seconds = (values: readonly (number | null)[]) => show(values, known => median(known).toFixed(2))
    table.push([
      what,
      seconds(ficus.map(({ nodeCpu }) => nodeCpu)),
      seconds(ficus.map(({ serverCpu }) => serverCpu)),
      seconds(native.map(({ serverCpu }) => serverCpu)),
      show(
        ficus.map(({ peakMemory }) => peakMemory),
        known => megabytes(Math.max(...known)).toFixed(0),
      ),
    ])
  }
  console.log(table.toString())
}

function show(values: readonly (number | null)[], format: (known: readonly number[]) => string): string {
  const known = values.filter(value => value !== null)
  return known.length === values.length ? format(known) : 'unknown'
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

function measuredOf({ measured }: Turn, what: string): Measured {
  const found = measured.get(what)
  if (found === undefined) throw new Error(`${what} was not measured`)
  return found
}

/** Over all of a turn; empty where the system does not tell. */
function peakOf({ measured }: Turn): number[] {
  const peaks = [...measured.values()].flatMap(({ peakMemory }) => peakMemory ?? [])
  return peaks.length === 0 ? [] : [megabytes(Math.max(...peaks))]
}

function megabytes(bytes: number): number {
  return bytes / 1024 / 1024
}
