// Sync beside PostgreSQL's own logical replication, on two throw-away clusters: the first copy, three backlogs, the lag.
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { measureDebezium } from '../debezium/main.ts'
import { benchOptions, printRows, showProgress } from '../report/report.ts'
import { describeClusters, startClusters } from './clusters.ts'
import { openFicus, openGatheringFicus } from './ficus.ts'
import { openNative } from './native.ts'
import { notesOf, printProcessorTime, rowsOf, type Turns } from './results.ts'
import { measureScale } from './scale.ts'
import { runShortTurn, runTurn } from './turn.ts'
import { FULL, QUICK } from './workload.ts'

const options = benchOptions(
  'bench:sync',
  'Measures sync beside PostgreSQL’s own logical replication, or beside Debezium’s JDBC sink.',
  {
    usage: '[--engine postgres|debezium] [--scale] [--only topic|lag]',
    help: `  --engine     debezium: from full topics beside the JDBC sink, and the lag (default postgres; debezium needs Java and Maven)
  --scale      sync alone: copy and backlog (debezium: full topic) of 0.1, 1 and 10 million rows, one round, with its peak
               memory (less with --quick)
  --only       with --engine debezium: one of its two measurements`,
    names: ['engine', 'scale', 'only'],
    example: '--rounds 3 --json result.json',
  },
)
if (options.engine === 'debezium') process.exit(await measureDebezium(options))
refuseOtherEngines(options.engine ?? 'postgres')
const sizes = options.quick ? QUICK : FULL
const resources = new AsyncDisposableStack()
const interrupted = shutdownSignal()

const running = options.scale ? measureScale(options, resources, showProgress) : measure()
try {
  const signal = await Promise.race([running.then(() => null), interrupted])
  if (signal !== null) process.exitCode = 130
} finally {
  showProgress('stopping')
  await resources.disposeAsync()
  // Broken off, it ends by itself: its servers are gone.
  await running.catch(() => {})
  showProgress('')
}

async function measure(): Promise<void> {
  showProgress('starting two clusters')
  const clusters = await startClusters(sizes.copied, resources)
  const description = await describeClusters(clusters)
  const turns: Turns = { ficus: [], gathering: [], native: [] }
  const contenders = { ficus: openFicus, native: openNative }
  for (let round = 1; round <= options.rounds; round += 1) {
    // Neither always goes first.
    const order = round % 2 === 1 ? (['ficus', 'native'] as const) : (['native', 'ficus'] as const)
    for (const name of order) {
      const tell = (step: string) => showProgress(`round ${round} of ${options.rounds}: ${name}, ${step}`)
      turns[name].push(await runTurn(clusters, `${name}_${round}`, contenders[name], sizes, resources, tell))
    }
    const tell = (step: string) => showProgress(`round ${round} of ${options.rounds}: ficus gathering jsonb, ${step}`)
    const name = `gathering_${round}`
    turns.gathering.push(await runShortTurn(clusters, name, openGatheringFicus, sizes, resources, tell))
  }
  showProgress('')
  console.log(description)
  await printRows(rowsOf(turns, sizes), options.json)
  printProcessorTime(turns)
  for (const note of notesOf(turns, sizes)) console.log(note)
}

function refuseOtherEngines(engine: string): void {
  if (engine === 'postgres') return
  console.error(`bench:sync knows no engine ${JSON.stringify(engine)}; there are postgres (the default) and debezium`)
  process.exit(2)
}
