// The comparison of all rows beside data-diff and beside one ordered md5 of each side; and that it finds what is planted.
import { type DiffReport, diffCapability } from '@ficus/cdc/diff/diff-capability'
import { parseSync } from '@ficus/cdc/mapping/parse-sync'
import { plantedDifferences, READINGS_SYNC } from '@ficus/cdc/testing/planted-differences'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { type BenchRow, benchOptions, compareRounds, median, printRows, showProgress } from '../report/report.ts'
import { dataDiff, findDataDiff, orderedMd5 } from './peers.ts'
import { CAPABILITY, openReadings, type Readings } from './readings.ts'

const ROWS = { quick: 200_000, full: 2_000_000 }
/** Rows a second, by DESIGN.md. */
const TARGET = 300_000

const options = benchOptions(
  'bench:diff',
  'Measures the comparison of equal tables beside data-diff, where that is installed, and an ordered md5; or finds planted differences.',
  {
    usage: '[--rows N] [--planted]',
    help: `  --rows N     rows of the table on each side, from 1000 on (default 2000000; 200000 with --quick)
  --planted    once, no rounds: plant differences in the target, and list which of them were found`,
    names: ['rows', 'planted'],
    fails: 'with --planted when one was missed or another was found',
    example: '--planted --rows 1000000',
  },
)
const rows = options.rows ?? (options.quick ? ROWS.quick : ROWS.full)
const resources = new AsyncDisposableStack()
const interrupted = shutdownSignal()
const running = measure()
try {
  const signal = await Promise.race([running.then(() => null), interrupted])
  if (signal !== null) process.exitCode = 130
} finally {
  await resources.disposeAsync()
  await running.catch(() => {})
  showProgress('')
}

async function measure(): Promise<void> {
  showProgress(`copying ${rows} rows`)
  const readings = await openReadings(rows, resources)
  if (options.planted) await findPlanted(readings)
  else await measureEqual(readings)
}

async function compare({ source, target }: Readings): Promise<{ report: DiffReport; rate: number }> {
  const started = performance.now()
  const sync = parseSync(READINGS_SYNC)
  const report = await diffCapability({
    source,
    target,
    capability: CAPABILITY,
    direction: 'forward',
    sync,
    mode: 'exact',
  })
  const compared = report.tables.reduce((sum, table) => sum + table.compared, 0)
  return { report, rate: (1_000 * compared) / (performance.now() - started) }
}

async function findPlanted(readings: Readings): Promise<void> {
  const planted = plantedDifferences(rows)
  for (const { sql } of planted) await readings.onTarget(sql)
  showProgress('comparing')
  const { report, rate } = await compare(readings)
  showProgress('')
  const found = new Map(report.tables.flatMap(table => table.differing).map(row => [row.key.copy_id, row]))
  let missed = 0
  for (const { what, id, kind, columns } of planted) {
    const row = found.get(String(id))
    const isFound = row?.kind === kind && JSON.stringify(row.columns) === JSON.stringify(columns)
    if (!isFound) missed += 1
    console.log(`${isFound ? 'found ' : 'MISSED'}  ${what} (key ${id})`)
  }
  const others = found.size - (planted.length - missed)
  console.log(
    `${planted.length - missed} of ${planted.length} planted differences found among ${rows} rows, and ${others} others`,
  )
  console.log(
    `${Math.round(rate).toLocaleString('en-US')} rows/s; sync stood still for ${Math.round(report.pausedMs)} ms`,
  )
  if (missed + others > 0) process.exitCode = 1
}

async function measureEqual(readings: Readings): Promise<void> {
  const ours: number[] = []
  const pauses: number[] = []
  const md5: number[] = []
  const peer: number[] = []
  const program = await findDataDiff()
  for (let round = 1; round <= options.rounds; round += 1) {
    const tell = (step: string) => showProgress(`round ${round} of ${options.rounds}: ${step}`)
    const turns = [
      async () => {
        tell('ficus')
        const { report, rate } = await compare(readings)
        if (!report.equal) throw new Error('equal tables were found different')
        ours.push(rate)
        pauses.push(report.pausedMs)
      },
      async () => {
        tell('md5')
        md5.push(await orderedMd5(readings, rows))
      },
      async () => {
        if (program === null) return
        tell('data-diff')
        peer.push(await dataDiff(program, readings, rows))
      },
    ]
    for (const turn of round % 2 === 1 ? turns : turns.toReversed()) await turn()
  }
  showProgress('')
  const table: BenchRow[] = [
    compareRounds('diff of equal tables', 'rows/s', ours, 'md5 of each side, ordered', md5, null),
  ]
  if (program !== null) table.push(compareRounds('diff of equal tables', 'rows/s', ours, 'data-diff', peer, null))
  const rate = median(ours)
  table.push({
    what: 'diff of equal tables',
    unit: 'rows/s',
    ours: rate,
    beside: 'the target of DESIGN.md',
    theirs: TARGET,
    ratio: rate / TARGET,
    target: '>= 1',
    met: rate >= TARGET,
  })
  await printRows(table, options.json)
  console.log(`${rows} rows; sync stood still for ${Math.round(median(pauses))} ms (median)`)
  if (program === null) {
    console.log(
      'NOT COMPARED WITH data-diff: it is not installed (PATH, or DATA_DIFF=/path/to/data-diff). The md5 above stands in for it.',
    )
  }
}
