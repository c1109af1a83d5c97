import { type EchoCount, type EchoOptions, type EchoReport, runEcho } from '@ficus/cdc/testing/echo'
import { messageOf } from '@ficus/core/errors/ficus-error'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { table } from '@ficus/core/terminal/table'
import { startThrowAwayPostgres } from '@ficus/deploy/testing/cluster'
import { readOptions } from '../testing/options.ts'

const HELP = `Writes rows on both sides in turn, with the slots of both directions alive, and counts what comes back.

Usage: npm run test:echo -- [--rows N] [--turns N] [--rows-per-transaction N]
  --rows                  how many each side writes in all its turns (default 1000000: two minutes and more)
  --turns                 how often each side has its turn; ownership changes hands in between (default 4)
  --rows-per-transaction  (default 5000)

It starts a PostgreSQL of its own, and counts by what sync applied, by triggers, and by each side's log as an independent
slot decodes it.

Exits 0 when nothing came back and both sides hold the same rows, 1 when not, 2 on wrong usage, 130 on Ctrl-C.

Example: npm run test:echo -- --rows 100000`

const values = readOptions(HELP, {
  rows: { type: 'string', default: '1000000' },
  turns: { type: 'string', default: '4' },
  'rows-per-transaction': { type: 'string', default: '5000' },
  help: { type: 'boolean', default: false },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const [rows, turns, rowsPerTransaction] = [values.rows, values.turns, values['rows-per-transaction']].map(Number)
if (!isCount(rows) || !isCount(turns) || !isCount(rowsPerTransaction)) {
  console.error(`--rows, --turns and --rows-per-transaction take whole numbers from 1 on\n\n${HELP}`)
  process.exit(2)
}

const resources = new AsyncDisposableStack()
const interrupted = shutdownSignal()
const running = main({ rows, turns, rowsPerTransaction })
try {
  const report = await Promise.race([running, interrupted.then(() => null)])
  process.exitCode = report === null ? 130 : report ? 0 : 1
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
} finally {
  await resources.disposeAsync()
  // Broken off, it ends by itself: its server is gone.
  await running.catch(() => {})
}

/** Runs and prints. @returns whether nothing came back. */
async function main(sizes: Pick<EchoOptions, 'rows' | 'turns' | 'rowsPerTransaction'>): Promise<boolean> {
  const server = resources.use(await startThrowAwayPostgres({ max_wal_size: '8GB' }))
  await server.createDatabase('monolith')
  await server.createDatabase('service')
  const started = performance.now()
  const report = await runEcho({
    monolith: { url: server.url('monolith'), name: 'the monolith’s database' },
    service: { url: server.url('service'), name: 'the service’s database' },
    ...sizes,
    onTurn: turn => console.log(`${seconds(started)}  ${turn}`),
  })
  const head = ['side', 'written', 'applied', 'seen by triggers', 'in the log', 'of those marked as sync’s']
  console.log(
    table(head, [
      ['monolith', ...countsOf(report.monolith)],
      ['service', ...countsOf(report.service)],
    ]),
  )
  const clean = isClean(report)
  console.log(
    `${seconds(started)}  ${clean ? 'nothing came back, and both sides hold the same rows' : 'FAILED: see the counts'}`,
  )
  return clean
}

function isClean({ equal, monolith, service }: EchoReport): boolean {
  return equal && isOwnOrApplied(monolith, service.written) && isOwnOrApplied(service, monolith.written)
}

/** All that sync applied on a side is what the other side wrote, and all else in its log is its own. */
function isOwnOrApplied(side: EchoCount, writtenOnTheOther: number): boolean {
  return (
    side.applied === writtenOnTheOther && side.seen === side.logged && side.logged - side.loggedOfSync === side.written
  )
}

function countsOf({ written, applied, seen, logged, loggedOfSync }: EchoCount): string[] {
  return [written, applied, seen, logged, loggedOfSync].map(count => count.toLocaleString('en-US'))
}

function isCount(value: number | undefined): value is number {
  return Number.isInteger(value) && Number(value) > 0
}

function seconds(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(0)} s`.padStart(6)
}
