import { Ledger } from '@ficus/core/ledger/ledger'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { createCopyGate } from '../testing/copy-gate.ts'
import { NOTED_SYNC, NOTED_TARGET, notedSource } from '../testing/noted-writes.ts'
import { createSyncFolder, type SyncFolder } from '../testing/sync-child.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const SOURCE = notedSource(30_000)

/** Bounds for a machine that is ten times slower than ours. */
const WITHIN = { timeout: 90_000, interval: 20 }
const TEST_TIMEOUT = 300_000

interface Context extends AsyncDisposable {
  readonly sync: SyncHarness
  readonly folder: SyncFolder
  caughtUp(): Promise<void>
  expectEqual(): Promise<void>
}

/** Two databases and a capability in phase syncing. */
async function createContext(): Promise<Context> {
  const sync = await createHarness(createDatabase, SOURCE, NOTED_TARGET, NOTED_SYNC)
  const ledgerDatabase = await createDatabase('ledger')
  const ledger = await Ledger.open(ledgerDatabase.url, ['catalog'])
  await ledger.move({
    capability: 'catalog',
    epoch: 0,
    to: 'syncing',
    actor: 'test',
    action: 'move',
    reason: null,
    evidence: {},
  })
  await ledger.close()
  const folder = await createSyncFolder({
    monolithUrl: sync.source.url,
    serviceUrl: sync.target.url,
    ledgerUrl: ledgerDatabase.url,
    sync: NOTED_SYNC,
    cdc: { batchRows: 500 },
  })
  return {
    sync,
    folder,
    caughtUp: async () => {
      await waitUntilCaughtUp({ ...sync, capability: 'catalog', direction: 'forward', timeoutMs: WITHIN.timeout })
    },
    expectEqual: async () => {
      const digest = (id: string, name: string, table: string) =>
        `SELECT count(*)::int AS rows, md5(string_agg(concat_ws('|', ${id}, ${name}, version, body), ',' ORDER BY ${id})) AS digest FROM ${table}`
      expect(await sync.onTarget(digest('item_id', 'title', 'items'))).toEqual(
        await sync.onSource(digest('id', 'name', 'products')),
      )
    },
    [Symbol.asyncDispose]: async () => {
      await folder[Symbol.asyncDispose]()
      await sync[Symbol.asyncDispose]()
      await ledgerDatabase[Symbol.asyncDispose]()
    },
  }
}

async function progress(sync: SyncHarness): Promise<Record<string, unknown>> {
  const [row] = await sync.onTarget('SELECT state, applied_rows::int AS applied FROM ficus.progress').catch(() => [])
  return row ?? {}
}

it('invariant 3: killed again and again while it copies, sync begins the copy anew', {
  timeout: TEST_TIMEOUT,
}, async () => {
  await using context = await createContext()
  const { sync, folder } = context
  const slots = 'SELECT active FROM pg_replication_slots WHERE database = current_database()'

  // Before there is a slot: it waits for a transaction that is under way.
  const idle = new pg.Client({ connectionString: sync.source.url })
  await idle.connect()
  await idle.query('BEGIN; SELECT pg_current_xact_id()')
  const early = await folder.start()
  await vi.waitFor(async () => expect(await sync.onSource(slots)).toEqual([{ active: true }]), WITHIN)
  expect(await progress(sync)).toMatchObject({ state: 'copying' })
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
    expect(await progress(sync)).toMatchObject({ state: 'copying' })
  }
  await sync.onSource(`UPDATE products SET name = 'between', version = 2 WHERE id < 100`)
  await folder.start()
  await vi.waitFor(async () => expect(await progress(sync)).toMatchObject({ state: 'streaming' }), WITHIN)
  await context.caughtUp()
  await context.expectEqual()
})
