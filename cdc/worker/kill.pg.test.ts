import { createDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { createCopyGate } from '../testing/copy-gate.ts'
import { NOTED_SYNC, NOTED_TARGET, notedSource } from '../testing/noted-writes.ts'
import { createProcessHarness } from '../testing/process-harness.ts'

/** Bounds for a machine that is ten times slower than ours. */
const WITHIN = { timeout: 90_000, interval: 20 }
const TEST_TIMEOUT = 300_000

it('invariant 3: killed again and again while it copies, sync begins the copy anew', {
  timeout: TEST_TIMEOUT,
}, async () => {
  await using context = await createProcessHarness(createDatabase, notedSource(30_000), NOTED_TARGET, NOTED_SYNC)
  const { sync, folder, move } = context
  await move('syncing')
  const state = async () => (await sync.onTarget('SELECT state FROM ficus.progress')).map(({ state }) => state)
  const slots = 'SELECT active FROM pg_replication_slots WHERE database = current_database()'

  // Before there is a slot: it waits for a transaction that is under way.
  const idle = new pg.Client({ connectionString: sync.source.url })
  await idle.connect()
  await idle.query('BEGIN; SELECT pg_current_xact_id()')
  const early = await folder.start()
  await vi.waitFor(async () => expect(await sync.onSource(slots)).toEqual([{ active: true }]), WITHIN)
  expect(await state()).toEqual(['copying'])
  await early.kill('SIGKILL')
  await idle.end()

  // At the first row, and well under way. The old copy's session lives on and is let go when the process is gone.
  const gate = await createCopyGate(sync, 'items', 'item_id', [1, 8_000])
  for (const row of [1, 8_000]) {
    await gate.close(row)
    const child = await folder.start()
    await gate.reached(row)
    await child.kill('SIGKILL')
    await gate.open(row)
    expect(await state()).toEqual(['copying'])
  }
  await sync.onSource(`UPDATE products SET name = 'between', version = 2 WHERE id < 100`)
  await folder.start()
  await vi.waitFor(async () => expect(await state()).toEqual(['streaming']), WITHIN)
  await sync.caughtUp()
  const digest = (id: string, name: string, table: string) =>
    `SELECT count(*)::int AS rows, md5(string_agg(concat_ws('|', ${id}, ${name}, version, body), ',' ORDER BY ${id})) AS digest FROM ${table}`
  expect(await sync.onTarget(digest('item_id', 'title', 'items'))).toEqual(
    await sync.onSource(digest('id', 'name', 'products')),
  )
})
