// The engine debezium: from a full topic beside Debezium's JDBC sink, and the lag of what is written now.
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { type BenchOptions, type BenchRow, compareRounds, printRows, showProgress } from '../report/report.ts'
import { measureFullTopic, type Rates } from './full-topic.ts'
import { measureLag, WARM_UP_SECONDS } from './lag.ts'
import { startServers } from './servers.ts'

const ROWS = { quick: 60_000, full: 300_000 }
const LAG_SECONDS = { quick: 3, full: 10 }
const PER_SECOND = 200
/** Commit to visible, ms. */
const LAG_LIMIT = 150
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
  const running = measure(options, resources)
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
  await printRows([...(rates.length === 0 ? [] : [rowOf(rates)]), ...(lags.length === 0 ? [] : rowsOf(lags))], json)
}

function rowOf(rates: readonly Rates[]): BenchRow {
  const [ours, theirs] = [rates.map(({ ficus }) => ficus), rates.map(({ sink }) => sink)]
  return compareRounds('from a full topic', 'rows/s', ours, 'Debezium’s JDBC sink', theirs, '>= 5')
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
