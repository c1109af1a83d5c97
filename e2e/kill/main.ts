// Kills sync and everything around it, again and again, under writes; then proves that nothing was lost and nothing applied twice.
import { writeFile } from 'node:fs/promises'
import type { Direction } from '@ficus/cdc/mapping/flow'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { mulberry32 } from '@ficus/deploy/testing/random'
import { readOptions } from '../testing/options.ts'
import { type CampaignReport, type RoundLog, runCampaign } from './campaign.ts'
import { type Engine, startServers } from './servers.ts'
import { countDeaths, planRounds, type Round } from './victims.ts'

interface Variant {
  readonly engine: Engine
  readonly layout: 'single' | 'tables'
  readonly direction: Direction
}

const TOPICS = { single: {}, tables: { layout: 'tables', partitions: 3 } } as const

const HELP = `Kills sync at each named point, and PostgreSQL, Kafka and Kafka Connect at random times, while rows are written.

Usage: npm run test:kill -- [--engine postgres|debezium] [--layout single|tables] [--direction forward|reverse]
                             [--rounds N] [--seed N] [--json FILE]
  --engine     how changes travel (default postgres; debezium needs Java and Maven)
  --layout     the topics of debezium (default single): all tables in one, or a topic a table with three partitions
  --direction  forward (default): from the monolith to the service. reverse: from the service, which is then the source, to the
               monolith, as after the switch
  --rounds     how many lives to take (default 50): a quarter while rows are copied, some while a table is added, the rest while they
               stream; in reverse, which copies nothing, all of them while rows stream
  --seed       which lives, when, and what is written; printed, so that a run can be had again (default: from the clock)
  --json       writes the whole log to FILE

Exits 0 when both sides are equal in the end, verify --data says so too, no trigger of the target saw a change twice and its indexes
are there, 1 when not or when something did not come back, 2 on wrong usage, 130 on Ctrl-C.

Example: npm run test:kill -- --rounds 50 --seed 7 --json kill.json`

const values = readOptions(HELP, {
  engine: { type: 'string', default: 'postgres' },
  layout: { type: 'string', default: 'single' },
  direction: { type: 'string', default: 'forward' },
  rounds: { type: 'string', default: '50' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const [count, seed] = [Number(values.rounds), Number(values.seed)]
const numbered = Number.isInteger(count) && count >= 1 && Number.isInteger(seed)
const wanted = readVariant(values)
if (wanted === null || !numbered) {
  console.error(HELP)
  process.exit(2)
}

await using resources = new AsyncDisposableStack()
const interrupted = new AbortController()
void shutdownSignal().then(() => interrupted.abort())
try {
  process.exitCode = await run(wanted)
} catch (error) {
  const remedy = error instanceof FicusError ? `\n  ${error.remedy}` : ''
  console.error(interrupted.signal.aborted ? 'broken off' : `${messageOf(error)}${remedy}`)
  process.exitCode = interrupted.signal.aborted ? 130 : 1
}

async function run({ engine, layout, direction }: Variant): Promise<number> {
  console.log(
    `${count} rounds ${direction}, engine ${engine}${layout === 'tables' ? ', a topic a table' : ''}, seed ${seed}`,
  )
  const servers = await startServers(engine, resources, line => console.error(line), TOPICS[layout])
  const random = mulberry32(seed)
  const rounds = planRounds(count, servers.names, random, direction)
  const { signal } = interrupted
  const report = await runCampaign({ servers, direction, rounds, random, onRound: printRound, signal })
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify({ engine, layout, direction, seed, ...report }, null, 2)}\n`)
  printDeaths(rounds)
  return conclude(report)
}

/** Every round was lived through where this is printed. */
function printDeaths(rounds: readonly Round[]): void {
  console.log('\nWho died, and how often:')
  for (const [death, times] of countDeaths(rounds)) console.log(`  ${death.padEnd(36)}${String(times).padStart(4)}`)
  console.log()
}

function printRound({ round, during, victim, recoveredMs }: RoundLog): void {
  const number = `${round}/${count}`.padStart(7)
  console.log(
    `${number}  ${during.padEnd(6)}  ${victim.padEnd(38)}  back at work after ${(recoveredMs / 1000).toFixed(1)} s`,
  )
}

function conclude(report: CampaignReport): number {
  const { transactions, truncated, altered, seen, seenTwice, rows, equal, differing, indexed } = report
  const listed = new Intl.ListFormat('en')
  const counts = (side: readonly number[]) => listed.format(side.map(number => number.toLocaleString('en-US')))
  console.log(
    `${transactions.toLocaleString('en-US')} transactions were acknowledged to the writer: ${truncated} truncated a table, ${altered} altered one.`,
  )
  console.log(
    `The source holds ${counts(rows.source)} rows, the target ${counts(rows.target)}: ${equal ? 'EQUAL' : 'DIFFERENT'}.`,
  )
  console.log(
    `The target’s triggers saw ${seen.toLocaleString('en-US')} writes while rows streamed, ${seenTwice} of them more than once.`,
  )
  console.log(
    `verify --data finds ${differing.length === 0 ? 'no difference' : `differences in ${listed.format(differing)}`}.`,
  )
  if (seenTwice > 0) console.log(`More than once, by table: ${JSON.stringify(report.seenTwiceOf)}`)
  if (!indexed) console.log('The target does NOT have the indexes that it began with.')
  return equal && differing.length === 0 && indexed && seenTwice === 0 && seen > 0 ? 0 : 1
}

/** What is killed: null where an option has a value that it cannot have. */
function readVariant({ engine, layout, direction }: Readonly<Record<keyof Variant, string>>): Variant | null {
  if (engine !== 'postgres' && engine !== 'debezium') return null
  if (layout !== 'single' && (layout !== 'tables' || engine !== 'debezium')) return null
  if (direction !== 'forward' && direction !== 'reverse') return null
  return { engine, layout, direction }
}
