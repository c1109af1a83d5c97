import { flagNames } from '@ficus/core/flags/flags'
import { describe, expect, it, vi } from 'vitest'
import type { Control } from '../control.ts'
import { createFlags } from '../preflight/flag-server.ts'
import { CAPABILITY, createMigration, type TestMigration } from '../testing/migration.ts'
import { startSync } from '../testing/sync.ts'
import { advance } from './advance.ts'
import { awaitStreaming } from './await-streaming.ts'
import { rollback } from './rollback.ts'

const { signal } = new AbortController()

// Sync is started and stopped, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 180_000 })

/** A capability whose rows were copied by a sync process that is gone since. */
async function copied(migration: TestMigration): Promise<Control> {
  const control = await migration.control('ada')
  await createFlags(control.flagAdmin, Object.values({ ...flagNames(CAPABILITY) }))
  await advance(control, CAPABILITY, { signal })
  await using _sync = await startSync(migration)
  await awaitStreaming(control, CAPABILITY, signal)
  return control
}

/** `rollback --to legacy`, killed right after it has written the move. */
async function rollbackIsKilled(migration: TestMigration, control: Control): Promise<void> {
  const { epoch } = await control.ledger.capability(CAPABILITY)
  const move = { capability: CAPABILITY, epoch, to: 'legacy', actor: 'ada', action: 'rollback' } as const
  await control.ledger.move({ ...move, reason: null, evidence: {} })
  // The sync process was gone before; no need to wait until its last word is old.
  await migration.run('ledger', `UPDATE ficus.sync_status SET reported_at = now() - interval '1 minute'`)
}

async function expectNothingLeft(migration: TestMigration): Promise<void> {
  expect(await migration.run('target', 'SELECT FROM memos')).toEqual([])
  expect(await migration.run('target', 'SELECT FROM ficus.progress')).toEqual([])
  expect(await migration.run('source', 'SELECT FROM pg_publication')).toEqual([])
  const slots = 'SELECT FROM pg_replication_slots WHERE database = current_database()'
  expect(await migration.run('source', slots)).toEqual([])
}

describe('invariant 10: an interrupted way back to legacy', () => {
  it('is finished before a new start, which then copies anew', async () => {
    await using migration = await createMigration()
    const control = await copied(migration)
    await rollbackIsKilled(migration, control)
    // Nobody would tell these changes to a sync that went on with the old copy and a slot that was dropped half way.
    await migration.run('source', `DELETE FROM notes WHERE id <= 100`)
    const dropped: string[] = []
    await advance(control, CAPABILITY, { signal, dropping: by => dropped.push(by) })
    expect(dropped).toEqual(['ficus'])
    await expectNothingLeft(migration)

    await using _sync = await startSync(migration)
    expect((await awaitStreaming(control, CAPABILITY, signal)).copiedRows).toBe(400)
  })

  it('is finished by a plain rollback, once', async () => {
    await using migration = await createMigration()
    const control = await copied(migration)
    await rollbackIsKilled(migration, control)
    await expect(rollback(control, CAPABILITY, { signal })).resolves.toMatchObject({ path: [], droppedBy: 'ficus' })
    await expectNothingLeft(migration)
    await expect(rollback(control, CAPABILITY, { signal })).rejects.toMatchObject({ code: 'FICUS_MOVE_NOT_ALLOWED' })
  })

  it('needs no sync file', async () => {
    await using migration = await createMigration()
    const control = await copied(migration)
    await migration.run('ledger', `UPDATE ficus.sync_status SET reported_at = now() - interval '1 minute'`)
    await migration.writeSync('this is no module {')
    await expect(rollback(control, CAPABILITY, { signal })).resolves.toMatchObject({ droppedBy: 'ficus' })
    await expectNothingLeft(migration)
  })

  it('needs no sync file where a sync process does it', async () => {
    await using migration = await createMigration()
    const control = await copied(migration)
    await migration.writeSync('this is no module {')
    await using _sync = await startSync(migration)
    await expect(rollback(control, CAPABILITY, { signal })).resolves.toMatchObject({ droppedBy: 'sync' })
    await expectNothingLeft(migration)
  })

  it('takes along the tables that sync made for itself', async () => {
    await using migration = await createMigration()
    const control = await copied(migration)
    await migration.run('ledger', `UPDATE ficus.sync_status SET reported_at = now() - interval '1 minute'`)
    await migration.run(
      'target',
      `CREATE SCHEMA ficus_mirror; CREATE TABLE ficus_mirror.notes (id int);
       UPDATE ficus.progress SET made = '["ficus_mirror.notes"]'`,
    )
    await rollback(control, CAPABILITY, { signal })
    await expectNothingLeft(migration)
    expect(await migration.run('target', `SELECT to_regnamespace('ficus_mirror') AS left`)).toEqual([{ left: null }])
  })

  it('removes nothing that another ledger began, and says so', async () => {
    await using migration = await createMigration()
    const control = await copied(migration)
    await migration.run('target', `UPDATE ficus.progress SET ledger = gen_random_uuid()`)
    await migration.run('ledger', `UPDATE ficus.sync_status SET reported_at = now() - interval '1 minute'`)
    await expect(rollback(control, CAPABILITY, { signal })).rejects.toMatchObject({
      code: 'FICUS_LEDGER_MISMATCH',
      exitCode: 2,
    })
    expect(await migration.run('target', 'SELECT FROM memos')).toHaveLength(500)
  })
})
