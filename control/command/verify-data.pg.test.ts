import type { Ledger } from '@ficus/core/ledger/ledger'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { beginDirection } from '../joint/cdc.ts'
import { awaitStreaming } from '../move/await-streaming.ts'
import { startCli } from '../testing/cli.ts'
import { runInHost, runWatched } from '../testing/host.ts'
import { CAPABILITY, createMigration, type TestMigration } from '../testing/migration.ts'
import { startSync } from '../testing/sync.ts'

const WITHIN = { timeout: 30_000, interval: 50 }

/** A migration whose rows are copied; commands find `--config` at the end. */
async function copied(migration: TestMigration) {
  const ficus = (...args: string[]) => runInHost(...args, '--config', migration.configFile)
  expect(await ficus('check', '--fix')).toMatchObject({ code: 0 })
  expect(await ficus('start', CAPABILITY, '--wait')).toMatchObject({ code: 0 })
  await migration.run('target', 'ANALYZE memos')
  return ficus
}

async function actions(ledger: Ledger) {
  const entries = await ledger.journal({ capability: CAPABILITY })
  return entries
    .filter(({ action }) => action !== 'advance')
    .map(({ action, actor, evidence }) => [action, actor, evidence])
}

it('interrupted, it says how to go on; gone on, it says since when', async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const ficus = await copied(migration)
  await using cli = startCli(
    ['verify', CAPABILITY, '--data', '--mode', 'recheck', '--workers', '1', '--max-rows-per-second', '100'],
    migration.directory,
  )
  const compared = () =>
    migration.run('target', 'SELECT FROM ficus.diff_range WHERE equal_rows IS NOT NULL').catch(() => [])
  await vi.waitFor(async () => expect(await compared()).not.toEqual([]), WITHIN)
  cli.kill('SIGINT')
  const { code, stderr } = await cli.ended
  expect([code, stderr]).toEqual([
    130,
    expect.stringContaining(`\`ficus verify ${CAPABILITY} --data --resume\` goes on`),
  ])

  const slowly = ['--resume', '--max-rows-per-second', '400', '--config', migration.configFile]
  const resumed = await runWatched('verify', CAPABILITY, '--data', '--mode', 'recheck', ...slowly)
  expect(resumed.stdout).toMatch(/went on with an earlier run: compared since \d{4}-\d\d-\d\dT/)
  expect(resumed.stdout).toMatch(/500 rows of 1 table compared since \d{4}-\d\d-\d\dT\S+Z, none differs/)
  // What was compared before is done from the beginning.
  const drawn = [...resumed.stderr.matchAll(/ \d+% \| (\d+) of 500 rows \| (\d+)\/s \| \S+ left/g)]
  const [first, ...later] = drawn.map(([, rows, rate]) => ({ rows: Number(rows), rate: Number(rate) }))
  expect(first?.rows).toBeGreaterThanOrEqual(100)
  expect(first?.rate).toBe(0)
  const fastest = Math.max(...later.map(({ rate }) => rate))
  expect(fastest, resumed.stderr).toBeGreaterThan(0)

  const all = await ficus('verify', CAPABILITY)
  expect([all.code, all.stdout], 'told before the rows are compared').toEqual([2, ''])
  expect(all.stderr).toContain(`capabilities.${CAPABILITY}.contracts is missing`)
})

it.each([
  ['source', 'the monolith’s database'],
  ['target', `the database of ${CAPABILITY}’s service`],
] as const)('says which database it lost (%s), and how to go on', async (side, name) => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const ficus = await copied(migration)
  const slowly = ['--mode', 'recheck', '--workers', '1', '--max-rows-per-second', '100', '--json']
  const [{ now } = { now: '' }] = await migration.run(side, 'SELECT clock_timestamp()::text AS now')
  await using cli = startCli(['verify', CAPABILITY, '--data', ...slowly], migration.directory)
  const compared = () =>
    migration.run('target', 'SELECT FROM ficus.diff_range WHERE equal_rows IS NOT NULL').catch(() => [])
  await vi.waitFor(async () => expect(await compared()).not.toEqual([]), WITHIN)
  const lose = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'ficus sync' AND backend_start > '${now}' AND state = 'idle'`
  let over = false
  const ended = cli.ended.finally(() => {
    over = true
  })
  // Where one is at work right then, the next time.
  await vi.waitFor(async () => {
    await migration.run(side, lose)
    expect(over).toBe(true)
  }, WITHIN)
  const { code, stdout } = await ended
  expect([code, JSON.parse(stdout).error]).toEqual([
    3,
    {
      code: 'FICUS_DATABASE_UNREACHABLE',
      details: {},
      message: expect.stringContaining(name),
      remedy: expect.stringContaining(`\`ficus verify ${CAPABILITY} --data --resume\` then goes on`),
    },
  ])
  const again = await ficus('verify', CAPABILITY, '--data', '--mode', 'recheck', '--resume', '--json')
  const [{ summary, evidence }] = JSON.parse(again.stdout).results
  expect(evidence.manner).toMatchObject({ resumed: true, since: expect.stringMatching(/^\d{4}-/) })
  expect(summary).toBe(`500 rows of 1 table compared since ${evidence.manner.since}, none differs`)
})

it('waits while sync is further behind than it may be', async () => {
  await using migration = await createMigration()
  const sync = await startSync(migration)
  await copied(migration)
  await sync[Symbol.asyncDispose]()
  await migration.run('target', `UPDATE ficus.progress SET source_commit = source_commit - interval '1 minute'`)
  await using cli = startCli(['verify', CAPABILITY, '--data', '--max-lag', '30'], migration.directory)
  await cli.says('waiting: sync is')
  await using _again = await startSync(migration)
  const { code, stderr } = await cli.ended
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/waiting: sync is \d+ s behind, and the limit is 30 s\n +going on$/),
  ])
})

it('journals a repair before it is made and when it is done, so that one that is killed leaves a trace', async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const ficus = await copied(migration)
  const { ledger } = await migration.control()
  await migration.run('target', `UPDATE memos SET heading = 'FORGED' WHERE memo_id IN (17, 18)`)
  const verify = ['verify', CAPABILITY, '--data', '--mode', 'recheck', '--repair', '--yes', '--as', 'ada']
  const begun = ['begin repair', 'ada', { rows: [{ source: 'public.notes', target: 'public.memos', rows: 2 }] }]

  // Rows can be read, and not be written.
  const locker = new pg.Client({ connectionString: migration.urls.target })
  await locker.connect()
  await locker.query('BEGIN; LOCK TABLE memos IN SHARE MODE')
  await using cli = startCli(verify, migration.directory)
  await vi.waitFor(async () => expect(await actions(ledger)).toEqual([begun]), WITHIN)
  cli.kill('SIGKILL')
  await cli.ended
  await locker.end()

  expect(await ficus(...verify)).toMatchObject({ code: 0, stdout: expect.stringContaining('none differs') })
  expect(await actions(ledger)).toEqual([
    begun,
    begun,
    ['repair', 'ada', { repaired: [{ source: 'public.notes', target: 'public.memos', repaired: 2, left: 0 }] }],
  ])
  const { stdout } = await ficus('journal')
  expect(stdout).toMatch(/ada +begin repair +2 rows of public.notes -> public.memos/)
})

it('compares and repairs the monolith’s rows while the service owns them', async () => {
  const table = `source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'title' }, reverse: { title: 'heading' }`
  await using migration = await createMigration({ sync: `export default { tables: [{ ${table} }] }` })
  await using _sync = await startSync(migration)
  const ficus = await copied(migration)
  const control = await migration.control()
  const { ledger, loaded } = control
  await beginDirection(loaded, CAPABILITY, 'reverse', await ledger.id())
  const { epoch } = await ledger.capability(CAPABILITY)
  const move = { capability: CAPABILITY, epoch, actor: 'ada', action: 'move', reason: null, evidence: {} }
  await ledger.move({ ...move, to: 'extracted' })
  await awaitStreaming(control, CAPABILITY, new AbortController().signal)
  await migration.run('target', `UPDATE memos SET heading = 'of the service' WHERE memo_id = 1`)
  await migration.run('source', `UPDATE notes SET title = 'FORGED' WHERE id IN (17, 18)`)

  const found = await ficus('verify', CAPABILITY, '--data')
  expect(found).toMatchObject({ code: 1, stdout: expect.stringMatching(/public\.memos -> public\.notes +500 +2/) })
  expect(found.stdout).toContain('on the monolith')
  const repaired = await ficus('verify', CAPABILITY, '--data', '--repair', '--yes')
  expect(repaired).toMatchObject({ code: 0, stdout: expect.stringContaining('2 rows repaired') })
  expect(await migration.run('source', 'SELECT title FROM notes WHERE id IN (1, 17) ORDER BY id')).toEqual([
    { title: 'of the service' },
    { title: 'note 17' },
  ])
  expect(await migration.run('target', `SELECT FROM memos WHERE heading = 'FORGED'`)).toEqual([])
})
