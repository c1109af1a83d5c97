import { flagNames } from '@ficus/core/flags/flags'
import { expect, it, vi } from 'vitest'
import { advance } from '../move/advance.ts'
import { awaitStreaming } from '../move/await-streaming.ts'
import { createFlags } from '../preflight/flag-server.ts'
import { CAPABILITY, createMigration } from '../testing/migration.ts'
import { startSync } from '../testing/sync.ts'
import { gather } from './evaluate.ts'
import { gatherVersions } from './versions.ts'

const { signal } = new AbortController()

it('the gate of the data waits while sync is behind, as `ficus verify --data` does, and says so', async () => {
  await using migration = await createMigration()
  const control = await migration.control()
  await createFlags(control.flagAdmin, Object.values({ ...flagNames(CAPABILITY) }))
  await advance(control, CAPABILITY, { signal })
  {
    await using _sync = await startSync(migration)
    await awaitStreaming(control, CAPABILITY, signal)
  }
  await migration.run('target', `UPDATE ficus.progress SET source_commit = source_commit - interval '1 minute'`)
  // What a sync process said just before that.
  const report = { direction: 'forward', engine: 'postgres', state: 'streaming', position: null, error: null } as const
  const figures = { copiedRows: 500, estimatedRows: 500, appliedRows: 0, parked: 0, lagRows: 0, lagSeconds: 0.1 }
  await control.ledger.reportSync(CAPABILITY, 'a test', { ...report, ...figures })

  const remarks: string[] = []
  const state = await control.ledger.capability(CAPABILITY)
  const versions = await gatherVersions(control, CAPABILITY, signal)
  const context = { control, capability: CAPABILITY, config: control.capability(CAPABILITY), state, versions, signal }
  const gathering = gather('data', context, undefined, text => remarks.push(text))
  await vi.waitFor(() => expect(remarks).toEqual([expect.stringMatching(/^waiting: sync is \d+ s behind/)]), 20_000)
  await using _again = await startSync(migration)
  expect(await gathering).toMatchObject({ verdict: 'pass' })
})
