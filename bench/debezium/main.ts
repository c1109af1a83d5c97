// The engine debezium: from a full topic beside Debezium's JDBC sink, and the lag of what is written now.
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { type BenchOptions, compareRounds, printRows, showProgress } from '../report/report.ts'
import { measureFullTopic, type Rates } from './full-topic.ts'
import { measureLag } from './lag.ts'
import { startServers } from './servers.ts'

const ROWS = { quick: 60_000, full: 300_000 }
const LAG_SECONDS = { quick: 3, full: 10 }
const PER_SECOND = 200
/** Commit to visible, ms. */
const LAG_LIMIT = 150

/** Measures and prints. @returns the exit code. */
export async function measureDebezium(options: BenchOptions): Promise<number> {
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

async function measure({ quick, rounds, json }: BenchOptions, resources: AsyncDisposableStack): Promise<void> {
  const size = quick ? 'quick' : 'full'
  const servers = await startServers(resources, showProgress)
  const rates: Rates[] = []
  const lags: { readonly p50: number; readonly p99: number }[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const tell = (step: string) => showProgress(`round ${round} of ${rounds}: ${step}`)
    rates.push(await measureFullTopic(servers, round, ROWS[size], tell))
    tell('lag')
    lags.push(await measureLag(servers, round, PER_SECOND, LAG_SECONDS[size]))
  }
  showProgress('')
  const limits = lags.map(() => LAG_LIMIT)
  const lag = `lag at ${PER_SECOND} transactions/s`
  const rows = [
    compareRounds(
      'from a full topic',
      'rows/s',
      rates.map(({ ficus }) => ficus),
      'Debezium’s JDBC sink',
      rates.map(({ sink }) => sink),
      '>= 5',
    ),
    compareRounds(
      `${lag}, p50`,
      'ms',
      lags.map(({ p50 }) => p50),
      'the limit',
      limits,
      null,
    ),
    compareRounds(
      `${lag}, p99`,
      'ms',
      lags.map(({ p99 }) => p99),
      'the limit',
      limits,
      '<= 1',
    ),
  ]
  await printRows(rows, json)
}
