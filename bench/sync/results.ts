import { table } from '@ficus/core/terminal/table'
import { type BenchRow, compareRounds, median } from '../report/report.ts'
import type { Cost } from '../report/scale.ts'
import type { LagSample } from './lag.ts'
import { INITIAL_COPY, type Turn } from './turn.ts'
import { PER_SECOND, type Sizes, workloadsOf } from './workload.ts'

/** The turns of both contenders, round by round. */
export interface Turns {
  readonly ficus: Turn[]
  /** Ficus with a mapping that gathers jsonb: the copy and the batch inserts. */
  readonly gathering: Pick<Turn, 'measured'>[]
  readonly native: Turn[]
}

const GATHERING = 'gathering jsonb'
const NATIVE = 'PostgreSQL logical replication'
/** Commit to visible, ms. */
const LAG_LIMIT = 100
/** Resident, MB, however long the backlog. */
const MEMORY_LIMIT = 300

/** The rows of DESIGN.md's table that are about sync. A limit of our own stands where a peer would. */
export function rowsOf(turns: Turns, sizes: Sizes): BenchRow[] {
  const rates = [{ what: INITIAL_COPY, target: '>= 1.3' }, ...workloadsOf(sizes)].map(({ what, target }) => {
    return compareRounds(what, 'rows/s', ratesOf(turns.ficus, what), NATIVE, ratesOf(turns.native, what), target)
  })
  const gathering = [...(turns.gathering[0]?.measured.keys() ?? [])].map(what =>
    compareRounds(
      `${what}, ${GATHERING}`,
      'rows/s',
      ratesOf(turns.gathering, what),
      NATIVE,
      ratesOf(turns.native, what),
      null,
    ),
  )
  const lags = (of: readonly Turn[], which: 'p50' | 'p99') => of.map(turn => turn.lag.lag[which])
  const lag = `lag at ${PER_SECOND.toLocaleString('en-US')} transactions/s`
  const constant = (limit: number) => turns.ficus.map(() => limit)
  const rows = [
    ...rates,
    ...gathering,
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
  const rows: string[][] = []
  const series = [
    { of: turns.ficus, suffix: '' },
    { of: turns.gathering, suffix: `, ${GATHERING}` },
  ]
  for (const { of, suffix } of series) {
    for (const what of of[0]?.measured.keys() ?? []) {
      const ficus = of.map(turn => measuredOf(turn, what))
      const native = turns.native.map(turn => measuredOf(turn, what))
      rows.push([
        `${what}${suffix}`,
        seconds(ficus.map(({ ownCpu }) => ownCpu)),
        seconds(ficus.map(({ serverCpu }) => serverCpu)),
        seconds(native.map(({ serverCpu }) => serverCpu)),
        show(
          ficus.map(({ peakMemory }) => peakMemory),
          known => megabytes(Math.max(...known)).toFixed(0),
        ),
      ])
    }
  }
  console.log(`\n${table(head, rows)}\n`)
}

function seconds(values: readonly (number | null)[]): string {
  return show(values, known => median(known).toFixed(2))
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
    `Ficus renames, converts money, changes letters and adds a constant meanwhile; PostgreSQL carries the rows as they are, in binary form. “${GATHERING}”: it also makes one document of three texts.`,
    `The copy is timed from the word go. Ficus’s ends with the primary key built and the key’s statistics gathered; PostgreSQL’s keeps the primary key up to date row by row, in one process, and gathers none.`,
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

function ratesOf(turns: readonly Pick<Turn, 'measured'>[], what: string): number[] {
  return turns.map(turn => measuredOf(turn, what).rowsPerSecond)
}

function measuredOf({ measured }: Pick<Turn, 'measured'>, what: string): Cost {
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
