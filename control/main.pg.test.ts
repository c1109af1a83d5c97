import { freePort } from '@ficus/deploy/native/free-port'
import { withWrongPassword } from '@ficus/deploy/testing/postgres'
import { describe, expect, inject, it } from 'vitest'
import { runCli, startCli } from './testing/cli.ts'
import { runInHost } from './testing/host.ts'
import { CAPABILITY, createMigration, type TestMigration } from './testing/migration.ts'
import { startSync } from './testing/sync.ts'

/** Many commands, one after the other, each of which takes seconds on a machine with other work. */
const LONG = { timeout: 240_000 }

/** Runs `ficus … --json` and reads its one document. */
async function runJson(migration: TestMigration, ...args: string[]) {
  const { code, stdout, stderr } = await runInHost(...args, '--json', '--config', migration.configFile)
  expect(stderr).toBe('')
  const document: Record<string, unknown> = JSON.parse(stdout)
  return { code, document }
}

it('walks there and back in processes of their own, each command as text', LONG, async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const ficus = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(args, migration.directory)
    return { code, said: `${stdout}\n${stderr}` }
  }

  expect(await ficus('check', '--fix')).toMatchObject({ code: 0, said: expect.stringContaining('No problem found.') })
  const started = await ficus('start', CAPABILITY, '--wait', '--as', 'ada')
  expect(started).toMatchObject({ code: 0, said: expect.stringContaining('copied 500 rows') })
  expect(started.said).toContain('notes moved from legacy to syncing (epoch 1)')
  expect(await ficus('status')).toMatchObject({ code: 0, said: expect.stringContaining('streaming by postgres') })
  const advanced = await ficus('advance', CAPABILITY)
  expect(advanced).toMatchObject({ code: 0, said: expect.stringContaining('500 rows of 1 table compared') })

  const refused = await ficus('advance', CAPABILITY)
  expect(refused.code).toBe(1)
  expect(refused.said).toContain('FICUS_GATE_RED  notes stays shadowing: 3 gates are not green before canary')
  const dials = await ficus('route', CAPABILITY, '--read', '25', '--shadow', '100')
  expect(dials.said).toContain('25 % set, 0 % in effect: in shadowing all reads go to the monolith')
  await using verifying = startCli(['verify', CAPABILITY, '--data'], migration.directory)
  await verifying.says('none differs')
  const said = performance.now()
  expect(await verifying.ended).toMatchObject({ code: 0 })
  // Nothing that it waited for meanwhile keeps it.
  expect(performance.now() - said).toBeLessThan(1_000)
  await migration.run('target', `UPDATE memos SET heading = 'FORGED' WHERE memo_id = 17`)
  const differing = await ficus('verify', CAPABILITY, '--data')
  expect(differing.code).toBe(1)
  expect(differing.said).toMatch(/memo_id = 17 +different +heading/)
  expect(differing.said).toContain('FICUS_DATA_DIFFERS  500 rows of 1 table compared, 1 row differs')

  const back = await ficus('rollback', CAPABILITY, '--to', 'legacy', '--reason', 'prices are rounded')
  expect(back).toMatchObject({ code: 0, said: expect.stringContaining('slot, publication and copied rows are gone') })
  const journal = (await ficus('journal')).said
  expect(journal).toMatch(/notes +ada +advance +legacy -> syncing, gate results check #\d+, service #\d+/)
  expect(journal).toContain('read 25 %, shadow 100 %')
  expect(journal).toContain('syncing -> legacy (prices are rounded)')
})

it('prints one JSON document for every command, whichever way it ends', LONG, async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const json = (...args: string[]) => runJson(migration, ...args)

  expect(await json('check')).toMatchObject({
    code: 2,
    document: { problems: [{ code: 'FICUS_FLAGS_INVALID' }, {}, {}] },
  })
  expect(await json('check', '--fix', '--sql')).toMatchObject({
    code: 0,
    document: { problems: [], sql: { [CAPABILITY]: expect.anything() } },
  })
  expect(await json('start', CAPABILITY, '--wait')).toMatchObject({
    code: 0,
    document: { from: 'legacy', to: 'syncing', epoch: 1, gates: [{ gate: 'check', verdict: 'pass' }, {}] },
  })
  expect(await json('start', CAPABILITY)).toMatchObject({
    code: 1,
    document: { error: { code: 'FICUS_MOVE_NOT_ALLOWED' } },
  })
  expect(await json('advance', CAPABILITY)).toMatchObject({ code: 0, document: { to: 'shadowing' } })
  expect(await json('advance', CAPABILITY)).toMatchObject({
    code: 1,
    document: {
      error: { code: 'FICUS_GATE_RED', details: { gates: [{ gate: 'lag', verdict: 'pass' }, {}, {}, {}, {}, {}] } },
    },
  })
  expect(await json('route', CAPABILITY, '--shadow', '50')).toMatchObject({
    code: 0,
    document: { phase: 'shadowing', set: { shadow: 50 }, dials: { shadow: { set: 50, effective: 50, why: null } } },
  })
  expect(await json('verify', CAPABILITY, '--data')).toMatchObject({
    code: 0,
    document: { results: [{ gate: 'data', verdict: 'pass', evidence: { tables: [{ compared: 500 }] } }] },
  })
  expect(await json('verify', CAPABILITY, '--contracts')).toMatchObject({
    code: 2,
    document: { error: { code: 'FICUS_CONFIG_INVALID' } },
  })
  expect(await json('load', CAPABILITY)).toMatchObject({
    document: { result: { gate: 'load', evidence: { rate: 20, monolith: { answers: expect.any(Number) } } } },
  })
  expect(await json('status', CAPABILITY)).toMatchObject({
    code: 0,
    document: { capabilities: [{ state: { phase: 'shadowing' }, sync: { state: 'streaming', copiedRows: 500 } }] },
  })
  expect(await json('rollback', CAPABILITY, '--to', 'legacy')).toMatchObject({
    code: 0,
    document: { from: 'shadowing', to: 'legacy', path: ['syncing', 'legacy'], droppedBy: 'sync' },
  })
  expect(await json('journal', '--limit', '2')).toMatchObject({
    code: 0,
    document: { entries: [{ action: 'rollback' }, { action: 'rollback', toPhase: 'legacy' }] },
  })
})

it('invariant 9: --force without a reason is bad usage, with one it is journalled', async () => {
  await using migration = await createMigration()
  expect(await runJson(migration, 'advance', CAPABILITY, '--force')).toMatchObject({
    code: 2,
    document: { error: { code: 'FICUS_USAGE', message: expect.stringContaining('--reason') } },
  })
  const forced = await runCli(
    ['advance', CAPABILITY, '--force', '--reason', 'the flags come tomorrow', '--as', 'ada'],
    migration.directory,
  )
  expect(forced).toMatchObject({ code: 0, stderr: 'forced past check; the journal keeps it' })
  const { stdout } = await runCli(['journal'], migration.directory)
  expect(stdout).toMatch(/ada +advance +legacy -> syncing.*, forced past check \(the flags come tomorrow\)/)
})

describe('invariant 13: what is asked for is not there', () => {
  it('an unknown capability ends every command with 2 and the names that there are', async () => {
    await using migration = await createMigration()
    const commands = ['status', 'check', 'start', 'advance', 'rollback', 'verify', 'load', 'journal']
    for (const command of [...commands.map(name => [name]), ['route', '--read', '1']]) {
      expect(await runJson(migration, ...command, 'nots')).toMatchObject({
        code: 2,
        document: {
          error: { code: 'FICUS_CAPABILITY_UNKNOWN', message: expect.stringMatching(/"nots".*it has notes/) },
        },
      })
    }
  })

  it('the ledger, down or with another password, ends with 3', async () => {
    const port = await freePort()
    await using down = await createMigration({ urls: { ledger: `postgres://ada:secret@127.0.0.1:${port}/ledger` } })
    const { code, stderr } = await runCli(['status'], down.directory)
    expect(code).toBe(3)
    expect(stderr).toContain(`FICUS_LEDGER_UNREACHABLE  the ledger at postgres://ada:***@127.0.0.1:${port}/ledger`)
    expect(stderr).toContain('what to do: Start the ledger’s database')
    expect(stderr).not.toContain('secret')

    const ledger = withWrongPassword(inject('postgresUrl'))
    await using refused = await createMigration({ urls: { ledger } })
    expect(await runJson(refused, 'advance', CAPABILITY)).toMatchObject({
      code: 3,
      document: { error: { code: 'FICUS_DATABASE_REFUSED', message: expect.stringContaining('the ledger at ') } },
    })
  })

  it('the service, away, ends with 3 before anything is done', async () => {
    await using migration = await createMigration()
    await migration.service.stop()
    expect(await runJson(migration, 'advance', CAPABILITY)).toMatchObject({
      code: 3,
      document: { error: { code: 'FICUS_SERVICE_UNREACHABLE', message: expect.stringContaining("notes's service") } },
    })
  })

  it('the flag server, down, ends what needs it with 3; the rest is told without it', async () => {
    const port = await freePort()
    const flags = { provider: 'unleash', url: `http://127.0.0.1:${port}`, token: 't', adminToken: 'a' } as const
    await using migration = await createMigration({ sections: { flags } })
    expect(await runJson(migration, 'route', CAPABILITY, '--read', '1')).toMatchObject({
      code: 3,
      document: { error: { code: 'FICUS_FLAGS_UNREACHABLE' } },
    })
    expect(await runJson(migration, 'check')).toMatchObject({
      code: 3,
      document: { problems: [{ code: 'FICUS_FLAGS_UNREACHABLE', where: 'flags' }] },
    })
    const { code, stdout } = await runCli(['status'], migration.directory)
    expect(code).toBe(0)
    expect(stdout).toContain(`dials    the flag server at http://127.0.0.1:${port}`)
  })

  it('`up` without a section local ends with 2', async () => {
    await using migration = await createMigration()
    expect(await runJson(migration, 'up')).toMatchObject({
      code: 2,
      document: { error: { code: 'FICUS_CONFIG_INVALID', message: expect.stringContaining('no section local') } },
    })
  })
})
