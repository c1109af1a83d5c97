// The engine debezium: from a full topic beside Debezium's JDBC sink, and the lag of what is written now.
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { table } from '@ficus/core/terminal/table'
import { type BenchOptions, type BenchRow, compareRounds, printRows, showProgress } from '../report/report.ts'
import { type Emptied, measureFicusAlone, measureFullTopic, type Rates } from './full-topic.ts'
import { measureLag, WARM_UP_SECONDS } from './lag.ts'
import { startServers } from './servers.ts'

const ROWS = { quick: 60_000, full: 300_000 }
const LAG_SECONDS = { quick: 3, full: 10 }
const PER_SECOND = 200
/** Commit to visible, ms. */
const LAG_LIMIT = 150
const MILLIONS = [0.1, 1, 10]
const QUICK_MILLIONS = [0.01, 0.1]
/** Resident, MB, however long the backlog. */
const MEMORY_LIMIT = 300
/** What may be measured alone. */
const PARTS: readonly string[] = ['topic', 'lag']

interface Lag {
  readonly p50: number
  readonly p99: number
}

/** Measures and prints. @returns the exit code. */
export async function measureDebezium(options: BenchOptions): Promise<number> {
  if (options.only !== undefined && !PARTS.includes(options.only)) {
    console.error(`--only takes one of ${PARTS.join(' and ')}, not ${JSON.stringify(options.only)}`)
    return 2
  }
  const resources = new AsyncDisposableStack()
  const interrupted = shutdownSignal()
  const running = (options.scale ? measureScale : measure)(options, resources)
  try {
    const signal = await Promise.race([running.then(() => null), interrupted])
    return signal === null ? 0 : 130
  } finally {
    showProgress('stopping')
    await resources.disposeAsync()
    // Broken off, it ends by itself: its servers are gone.
    await running.catch(() => {})
    showProgress('')
  }
}

async function measure(options: BenchOptions, resources: AsyncDisposableStack): Promise<void> {
  const { quick, rounds, json, only } = options
  const size = quick ? 'quick' : 'full'
  const servers = await startServers(resources, showProgress)
  const rates: Rates[] = []
  const lags: Lag[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const tell = (step: string) => showProgress(`round ${round} of ${rounds}: ${step}`)
    if (only !== 'lag') rates.push(await measureFullTopic(servers, round, ROWS[size], tell))
    if (only === 'topic') continue
    tell('lag')
    lags.push(await measureLag(servers, round, PER_SECOND, LAG_SECONDS[size]))
  }
  showProgress('')
  await printRows([...(rates.length === 0 ? [] : topicRows(rates)), ...(lags.length === 0 ? [] : rowsOf(lags))], json)
}

/** How cost grows with rows: so many that waited in a topic, each time by a process of its own. */
async function measureScale({ quick, json }: BenchOptions, resources: AsyncDisposableStack): Promise<void> {
  const servers = await startServers(resources, showProgress)
  const [costs, rows]: [string[][], BenchRow[]] = [[], []]
  for (const millions of quick ? QUICK_MILLIONS : MILLIONS) {
    const tell = (step: string) => showProgress(`${millions} million rows: ${step}`)
    const name = `scale_${millions * 1_000_000}`
    const emptied = await measureFicusAlone(servers, name, millions * 1_000_000, tell)
    const { rowsPerSecond, ownCpu, serverCpu, peakMemory } = emptied
    const rate = Math.round(rowsPerSecond).toLocaleString('en-US')
    const seconds = (value: number | null) => value?.toFixed(2) ?? 'unknown'
    const peak = peakMemory === null ? 'unknown' : (peakMemory / 2 ** 20).toFixed(0)
    costs.push([String(millions), rate, seconds(ownCpu), seconds(serverCpu), peak])
    if (peakMemory !== null) rows.push(memoryRow(`peak memory, topic of ${millions} million rows`, [peakMemory]))
  }
  showProgress('')
  console.log(table(['million rows', 'rows/s', 'CPU s per 100,000 rows: Node', 'servers', 'peak, MB'], costs), '\n')
  await printRows(rows, json)
}

function topicRows(rates: readonly Rates[]): BenchRow[] {
  const row = (what: string, unit: string, of: (emptied: Emptied) => number | null, target: string | null) => {
    const [ours, theirs] = [rates.map(({ ficus }) => of(ficus)), rates.map(({ sink }) => of(sink))]
    if (!isKnown(ours) || !isKnown(theirs)) return []
    return [compareRounds(what, unit, ours, 'Debezium’s JDBC sink', theirs, target)]
  }
  const peaks = rates.map(({ ficus }) => ficus.peakMemory)
  const [own, servers] = ['Node, or Kafka Connect', 'PostgreSQL and Kafka']
  return [
    ...row('from a full topic', 'rows/s', ({ rowsPerSecond }) => rowsPerSecond, '>= 5'),
    ...row(`CPU per 100,000 rows: ${own}`, 's', ({ ownCpu }) => ownCpu, null),
    ...row(`CPU per 100,000 rows: ${servers}`, 's', ({ serverCpu }) => serverCpu, null),
    ...row(`peak memory: ${own}`, 'MB', ({ peakMemory }) => (peakMemory === null ? null : peakMemory / 2 ** 20), null),
    ...(isKnown(peaks) ? [memoryRow('peak memory: Node', peaks)] : []),
  ]
}

function memoryRow(what: string, bytes: readonly number[]): BenchRow {
  const peaks = bytes.map(value => value / 2 ** 20)
  const limits = peaks.map(() => MEMORY_LIMIT)
  return compareRounds(what, 'MB', peaks, 'the limit', limits, '<= 1')
}

function isKnown(values: readonly (number | null)[]): values is readonly number[] {
  return !values.includes(null)
}

function rowsOf(lags: readonly Lag[]): BenchRow[] {
  const limits = lags.map(() => LAG_LIMIT)
  const row = (name: 'p50' | 'p99', target: string | null) => {
    const what = `lag at ${PER_SECOND} transactions/s after ${WARM_UP_SECONDS} s, ${name}`
    return compareRounds(
      what,
      'ms',
      lags.map(lag => lag[name]),
      'the limit',
      limits,
      target,
    )
  }
  return [row('p50', null), row('p99', '<= 1')]
}
