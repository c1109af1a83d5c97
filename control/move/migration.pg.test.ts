import { flagNames } from '@ficus/core/flags/flags'
import type { Ledger } from '@ficus/core/ledger/ledger'
import { expect, it, vi } from 'vitest'
import { diffData } from '../joint/diff.ts'
import { createFlags } from '../preflight/flag-server.ts'
import { CAPABILITY, createMigration, type TestMigration } from '../testing/migration.ts'
import { startSync } from '../testing/sync.ts'
import { advance } from './advance.ts'
import { awaitStreaming } from './await-streaming.ts'
import { rollback } from './rollback.ts'

const { signal } = new AbortController()

async function start(migration: TestMigration) {
  const control = await migration.control('ada')
  await createFlags(control.flagAdmin, Object.values({ ...flagNames(CAPABILITY) }))
  await advance(control, CAPABILITY, { signal })
  return control
}

/** What an edge would report. */
function compared(ledger: Ledger, matched: number, mismatched: number): Promise<void> {
  const shadow = {
    capability: CAPABILITY,
    epoch: 2,
    route: 'GET /notes',
    matched,
    mismatched,
    ignored: 0,
    example: null,
  }
  const minutes = [{ age: 0, traffic: [], shadow: [shadow] }]
  return ledger.reportEdge({ edge: 'e1', epochs: { [CAPABILITY]: 2 }, flags: {}, minutes })
}

it('invariants 9 and 10: walks to canary on real evidence alone, and back to nothing', async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const control = await start(migration)

  const { copiedRows } = await awaitStreaming(control, CAPABILITY, signal)
  expect(copiedRows).toBe(500)
  const shadowing = await advance(control, CAPABILITY, { signal })
  expect(shadowing.gates).toMatchObject([
    { gate: 'lag', verdict: 'pass' },
    { gate: 'data', verdict: 'pass', summary: '500 rows of 1 table compared, none differs' },
  ])

  await expect(advance(control, CAPABILITY, { signal })).rejects.toThrow(/shadow \(inconclusive\)[\s\S]*10 are needed/)
  await compared(control.ledger, 40, 0)
  // No pacts are configured, so the gate of contracts stays red; the load is driven for real.
  const refused = advance(control, CAPABILITY, { signal, run: true })
  await expect(refused).rejects.toMatchObject({
    details: {
      gates: [
        { gate: 'lag', green: true },
        { gate: 'data', green: true },
        { gate: 'parked', green: true },
        { gate: 'shadow', green: true },
        { gate: 'contracts', verdict: 'inconclusive', summary: expect.stringContaining('names no pacts') },
        { gate: 'load', green: true },
      ],
    },
  })
  const canary = await advance(control, CAPABILITY, { signal, force: true, reason: 'no consumer but our own page' })
  expect(canary).toMatchObject({ state: { phase: 'canary' }, forced: ['contracts'] })

  const back = await rollback(control, CAPABILITY, { signal, to: 'legacy' })
  expect(back).toMatchObject({ droppedBy: 'sync', path: ['shadowing', 'syncing', 'legacy'] })
  expect(await migration.run('target', 'SELECT count(*)::int AS rows FROM memos')).toEqual([{ rows: 0 }])
  expect(
    await migration.run('source', 'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'),
  ).toEqual([])
  expect(await migration.run('source', 'SELECT pubname FROM pg_publication')).toEqual([])

  await advance(control, CAPABILITY, { signal })
  expect((await awaitStreaming(control, CAPABILITY, signal)).copiedRows).toBe(500)
})

it('a row that differs is named, and no phase moves over it', async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const control = await start(migration)
  await awaitStreaming(control, CAPABILITY, signal)
  await migration.run(
    'target',
    `UPDATE memos SET heading = 'FORGED' WHERE memo_id = 17; DELETE FROM memos WHERE memo_id = 18`,
  )

  const diff = await diffData(control, CAPABILITY, { signal })
  expect(diff.tables).toMatchObject([{ table: 'public.notes -> public.memos', compared: 500, differing: 2 }])
  expect(diff.rows.toSorted((a, b) => a.kind.localeCompare(b.kind))).toMatchObject([
    { key: { memo_id: '17' }, kind: 'different', columns: ['heading'] },
    { key: { memo_id: '18' }, kind: 'missing', columns: [] },
  ])
  await expect(advance(control, CAPABILITY, { signal })).rejects.toThrow(/data \(fail\)[\s\S]*2 rows differ/)
})

it('without a live sync process the gates say so at once, and rollback cleans up by itself', async () => {
  await using migration = await createMigration()
  const control = await start(migration)
  {
    await using _sync = await startSync(migration)
    await awaitStreaming(control, CAPABILITY, signal)
  }
  // The report of a process that ended grows old; no need to wait for it here.
  await migration.run('ledger', `UPDATE ficus.sync_status SET reported_at = now() - interval '1 minute'`)
  await expect(advance(control, CAPABILITY, { signal })).rejects.toThrow(/no sync process has reported for 60 s/)

  const back = await rollback(control, CAPABILITY, { signal })
  expect(back.droppedBy).toBe('ficus')
  expect(await migration.run('target', 'SELECT count(*)::int AS rows FROM memos')).toEqual([{ rows: 0 }])
  expect(await migration.run('source', 'SELECT pubname FROM pg_publication')).toEqual([])
  await vi.waitFor(async () => {
    const slots = 'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'
    expect(await migration.run('source', slots)).toEqual([])
  })
})

it('invariant 9: mismatches of the shadow refuse the canary, whatever their number', async () => {
  await using migration = await createMigration()
  await using _sync = await startSync(migration)
  const control = await start(migration)
  await awaitStreaming(control, CAPABILITY, signal)
  await advance(control, CAPABILITY, { signal })
  await compared(control.ledger, 1_000, 1)
  await expect(advance(control, CAPABILITY, { signal })).rejects.toThrow(
    /shadow \(fail\)[\s\S]*1,001 answers compared, 1 differed[\s\S]*most on GET \/notes/,
  )
})
