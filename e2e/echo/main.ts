import { parseArgs } from 'node:util'
import { type EchoCount, runEcho } from '@ficus/cdc/testing/echo'
import { startThrowAwayPostgres } from '@ficus/deploy/testing/cluster'

const HELP = `Usage: npm run test:echo -- [--rows 1000000] [--turns 4] [--rows-per-transaction 5000]

Writes rows on both sides in turn, through a cluster of its own, with the slots of both directions alive, and counts what
comes back: by what sync applied, by triggers, and by each side's log as an independent slot decodes it. Ends with 1 unless
nothing did.
`

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    turns: { type: 'string', default: '4' },
    'rows-per-transaction': { type: 'string', default: '5000' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(HELP)
else process.exitCode = await main()

async function main(): Promise<number> {
  await using server = await startThrowAwayPostgres({ max_wal_size: '8GB' })
  await server.createDatabase('monolith')
  await server.createDatabase('service')
  const started = performance.now()
  const report = await runEcho({
    monolith: { url: server.url('monolith'), name: 'the monolith’s database' },
    service: { url: server.url('service'), name: 'the service’s database' },
    rows: Number(values.rows),
    turns: Number(values.turns),
    rowsPerTransaction: Number(values['rows-per-transaction']),
    onTurn: turn => console.log(`${seconds(started)}  ${turn}`),
  })
  console.table({ monolith: report.monolith, service: report.service })
  const clean =
    report.equal && isClean(report.monolith, report.service.written) && isClean(report.service, report.monolith.written)
  console.log(
    `${seconds(started)}  ${clean ? 'nothing came back, and both sides hold the same rows' : 'FAILED: see the counts'}`,
  )
  return clean ? 0 : 1
}

/** All that sync applied on a side is what the other side wrote, and all else in its log is its own. */
function isClean(side: EchoCount, writtenOnTheOther: number): boolean {
  return (
    side.applied === writtenOnTheOther && side.seen === side.logged && side.logged - side.loggedOfSync === side.written
  )
}

function seconds(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(0)} s`.padStart(6)
}
