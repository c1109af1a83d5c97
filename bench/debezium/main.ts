// The engine debezium: from a full topic beside Debezium's JDBC sink, and the lag of what is written now.
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { type BenchOptions, type BenchRow, compareRounds, printRows, showProgress } from '../report/report.ts'
import { type Cost, costCells, costTable, MILLIONS, memoryRow } from '../report/scale.ts'
import { measureFicusAlone, measureFullTopic, type Rates } from './full-topic.ts'
import { measureLag, WARM_UP_SECONDS } from './lag.ts'
import { startServers } from './servers.ts'

const ROWS = { quick: 60_000, full: 300_000 }
const LAG_SECONDS = { quick: 3, full: 10 }
const PER_SECOND = 200
/** Commit to visible, ms. */
const LAG_LIMIT = 150
/** What comes at once, a batch of 20,000 rows, cannot be timed. */
const QUICK_MILLIONS = [0.1, 0.2]
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
    const cost = await measureFicusAlone(servers, name, millions * 1_000_000, tell)
    costs.push([String(millions), ...costCells(cost)])
    if (cost.peakMemory === null) continue
    rows.push(memoryRow(`peak memory, topic of ${millions} million rows`, [cost.peakMemory]))
  }
  showProgress('')
  console.log(costTable(['million rows'], costs), '\n')
  await printRows(rows, json)
}

function topicRows(rates: readonly Rates[]): BenchRow[] {
  const row = (what: string, unit: string, of: (cost: Cost) => number | null, target: string | null) => {
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
