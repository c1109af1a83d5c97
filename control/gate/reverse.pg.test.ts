import { expect, it } from 'vitest'
import { runCli } from '../testing/cli.ts'
import { CAPABILITY, createMigration } from '../testing/migration.ts'

const BOTH_WAYS = `export default { tables: [{
  source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'title' }, reverse: { title: 'heading' },
}] }`

it('`ficus verify --reverse` proves the way back and keeps the evidence', { timeout: 120_000 }, async () => {
  await using migration = await createMigration({ sync: BOTH_WAYS })
  await migration.run('target', `INSERT INTO memos SELECT i, 'note ' || i FROM generate_series(1, 500) i`)
  const good = await runCli(['verify', CAPABILITY, '--reverse'], migration.directory)
  expect(good).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/pass {2}reverse {2}\d+ rows went there and back/),
  })
  const control = await migration.control()
  expect((await control.ledger.latestGates(CAPABILITY)).get('reverse')).toMatchObject({
    verdict: 'pass',
    versions: { monolith: '1.0', service: '7' },
    evidence: { findings: [], comparedRows: expect.any(Number) },
  })

  await migration.writeSync(BOTH_WAYS.replace(`'heading' }`, `'upper(heading)' }`))
  const bad = await runCli(['verify', CAPABILITY, '--reverse'], migration.directory)
  expect(bad).toMatchObject({ code: 1, stdout: expect.stringContaining('public.notes.title') })
  expect(bad.stderr).toContain('FICUS_GATE_RED')
  expect((await control.ledger.latestGates(CAPABILITY)).get('reverse')?.verdict).toBe('fail')

  // What a server says of a row is for whoever asks, not for the ledger.
  await migration.writeSync(BOTH_WAYS.replace(`'heading' }`, `'(heading::int)::text' }`))
  const refused = await runCli(['verify', CAPABILITY, '--reverse'], migration.directory)
  expect(refused.stdout).toMatch(/it said: invalid input syntax for type integer: "note \d+"/)
  const kept = JSON.stringify((await control.ledger.latestGates(CAPABILITY)).get('reverse'))
  expect(kept).toContain('invalid_text_representation (SQLSTATE 22P02)')
  expect(kept).not.toMatch(/note \d/)
})
