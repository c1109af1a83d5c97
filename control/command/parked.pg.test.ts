import { expect, it, vi } from 'vitest'
import { advance } from '../move/advance.ts'
import { type HostResult, runInHost } from '../testing/host.ts'
import { CAPABILITY, createMigration, type TestMigration } from '../testing/migration.ts'
import { startSync } from '../testing/sync.ts'

const { signal } = new AbortController()

/** What is parked, once it is `count` changes. */
async function parked(migration: TestMigration, count: number): Promise<{ id: number; behind: unknown[] }[]> {
  return vi.waitFor(
    async () => {
      const { stdout } = await run(migration, CAPABILITY, '--json')
      const { parked } = JSON.parse(stdout)
      expect(parked.reduce((sum: number, { behind }: { behind: unknown[] }) => sum + 1 + behind.length, 0)).toBe(count)
      return parked
    },
    { timeout: 30_000, interval: 100 },
  )
}

function run(migration: TestMigration, ...args: string[]): Promise<HostResult> {
  return runInHost('parked', ...args, '--config', migration.configFile)
}

it('invariant 11: what is parked is listed, shown, vetoes, is tried again and discarded with a reason', async () => {
  await using migration = await createMigration()
  await migration.run('target', `ALTER TABLE memos ADD CONSTRAINT no_bad CHECK (heading NOT LIKE 'BAD%')`)
  const control = await migration.control('ada')
  for (const reason of ['to syncing', 'to shadowing']) {
    await advance(control, CAPABILITY, { signal, force: true, reason })
  }
  await using _sync = await startSync(migration)
  await vi.waitUntil(async () => (await control.ledger.syncStatus(CAPABILITY))?.state === 'streaming', {
    timeout: 30_000,
    interval: 100,
  })
  expect(await run(migration, CAPABILITY)).toMatchObject({ code: 0, stdout: 'nothing is parked\n' })

  await migration.run('source', `UPDATE notes SET title = 'bad ' || id WHERE id IN (1, 2)`)
  await parked(migration, 2)
  await migration.run('source', `UPDATE notes SET title = 'bad again' WHERE id = 1`)
  const [one, two] = await parked(migration, 3)
  const list = await run(migration, CAPABILITY)
  expect(list.stdout).toMatch(/id +table +key +change +parked +behind it +reason\n/)
  expect(list.stdout).toMatch(/public\.notes +id = 1 +update +\d+ s ago +1 +.*"no_bad"/)

  const shown = await run(migration, CAPABILITY, 'show', String(one?.id))
  expect(shown.stdout).toContain('update of public.notes (id = 1)')
  expect(shown.stdout).toContain('"title": "bad 1"')
  expect(await run(migration, CAPABILITY, 'show', '999')).toMatchObject({ code: 2 })

  await expect(advance(control, CAPABILITY, { signal })).rejects.toThrow(
    /parked \(fail\): 3 changes parked for 2 rows; first the update of public\.notes \(id = 1\).*no_bad.*\n +ficus parked notes/,
  )
  await vi.waitUntil(async () => (await control.ledger.syncStatus(CAPABILITY))?.parked === 3, { timeout: 10_000 })
  expect((await runInHost('status', CAPABILITY, '--config', migration.configFile)).stdout).toContain('3 changes parked')

  const refused = await run(migration, CAPABILITY, 'retry', '--all')
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^FICUS_CHANGE_PARKED {2}2 rows of notes/) })
  expect(refused.stdout).toContain('0 changes applied')

  expect(await run(migration, CAPABILITY, 'retry')).toMatchObject({ code: 2 })
  expect(await run(migration, CAPABILITY, 'discard', String(two?.id))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--reason'),
  })
  const discarded = await run(migration, CAPABILITY, 'discard', String(two?.id), '--reason', 'a test', '--as', 'eve')
  expect(discarded).toMatchObject({
    code: 0,
    stdout: '1 change discarded; its row may differ now: `ficus verify notes --data`\n',
  })
  expect(await run(migration, CAPABILITY, 'retry', '--all')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^FICUS_CHANGE_PARKED {2}1 row of notes stays parked/),
  })

  await migration.run('target', 'ALTER TABLE memos DROP CONSTRAINT no_bad')
  const retried = await run(migration, CAPABILITY, 'retry', '--all', '--as', 'eve')
  expect(retried).toMatchObject({ code: 0, stdout: '2 changes applied\n' })
  expect(await migration.run('target', 'SELECT * FROM memos WHERE memo_id < 3 ORDER BY 1')).toEqual([
    { memo_id: 1, heading: 'BAD AGAIN' },
    { memo_id: 2, heading: 'NOTE 2' },
  ])
  await parked(migration, 0)
  const entries = await control.ledger.journal({ capability: CAPABILITY })
  expect(entries.slice(-2)).toMatchObject([
    { actor: 'eve', action: 'discard parked', reason: 'a test', evidence: { parked: [{ key: { id: '2' } }] } },
    { actor: 'eve', action: 'retry parked', reason: null, evidence: { parked: [{ key: { id: '1' } }, {}] } },
  ])
  // Of the rows themselves the ledger holds nothing.
  expect(JSON.stringify(entries.map(({ evidence }) => evidence))).not.toContain('bad 2')
})

it('takes no more words than it has a use for', async () => {
  await using migration = await createMigration()
  const cases: [words: string[], told: string][] = [
    [['list', '7', '--all'], 'list takes no id, and 7 was given'],
    [['list', '--all'], 'list takes no --all'],
    [['show', '7', '--as', 'eve'], 'show takes no --as'],
    [['retry', '7', '--reason', 'a test'], 'retry takes no --reason'],
  ]
  for (const [words, told] of cases) {
    expect(await run(migration, CAPABILITY, ...words)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(`^FICUS_USAGE {2}${told}\n`),
    })
  }
})
