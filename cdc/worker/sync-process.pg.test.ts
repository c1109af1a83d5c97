import { loadConfig } from '@ficus/core/config/load-config'
import { Ledger } from '@ficus/core/ledger/ledger'
import { LedgerWatch } from '@ficus/core/ledger/watch'
import { createLogger } from '@ficus/core/log/logger'
import { lackingMetrics } from '@ficus/deploy/testing/asked-metrics'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { createProcessHarness, type ProcessHarness } from '../testing/process-harness.ts'
import { SyncProcess } from './sync-process.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 1000) n;
`
const TARGET = 'CREATE TABLE items (item_id int PRIMARY KEY, title text)'
const SYNC = {
  tables: [{ source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name' } }],
}

function createContext(): Promise<ProcessHarness> {
  return createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
}

it('follows the phase: copies and streams in syncing, removes all in legacy', async () => {
  await using context = await createContext()
  const { sync, folder, move, reports } = context
  const child = await folder.start()
  await move('syncing')
  await reports({ state: 'streaming' })
  await sync.onSource(`INSERT INTO products VALUES (5000, 'late')`)
  await waitUntilCaughtUp({ ...sync, capability: 'catalog', direction: 'forward', timeoutMs: 10_000 })
  expect(await sync.onTarget('SELECT count(*)::int AS rows FROM items')).toEqual([{ rows: 1001 }])

  expect((await fetch(`${child.management}/ready`)).status).toBe(200)
  // The slot is looked at from time to time.
  const metrics = await vi.waitFor(
    async () => {
      const shown = await (await fetch(`${child.management}/metrics`)).text()
      expect(lackingMetrics('ficus_sync_', shown)).toEqual([])
      return shown
    },
    { timeout: 20_000, interval: 100 },
  )
  expect(metrics).toContain('ficus_sync_state{capability="catalog",direction="forward",state="streaming"} 1')
  expect(metrics).toContain('ficus_sync_applied_rows{capability="catalog",direction="forward"} 1')

  await move('legacy')
  await reports({ state: 'dropped' })
  expect(await sync.onTarget('SELECT count(*)::int AS rows FROM items')).toEqual([{ rows: 0 }])
  expect(await sync.onSource('SELECT FROM pg_publication')).toEqual([])
  expect(await sync.onSource('SELECT FROM pg_replication_slots WHERE database = current_database()')).toEqual([])

  await move('syncing')
  await reports({ state: 'streaming' })
  await child.kill('SIGTERM')
  expect(child.process.exitCode).toBe(0)
  await reports({ state: 'stopped' })
})

it('invariant 3: killed while it streams, it resumes; a second process stands by until then', async () => {
  await using context = await createContext()
  const { sync, folder, move, reports } = context
  const first = await folder.start()
  await move('syncing')
  await reports({ state: 'streaming' })
  const second = await folder.start()
  await sync.onSource(`UPDATE products SET name = name || '!'`)
  expect((await fetch(`${second.management}/ready`)).status).toBe(200)
  await first.kill('SIGKILL')
  await sync.onSource(`INSERT INTO products VALUES (5000, 'late')`)
  await waitUntilCaughtUp({ ...sync, capability: 'catalog', direction: 'forward', timeoutMs: 20_000 })
  expect(await sync.onTarget('SELECT item_id, title FROM items ORDER BY 1')).toEqual(
    await sync.onSource('SELECT id AS item_id, name AS title FROM products ORDER BY 1'),
  )
})

it('lets go of a ledger that it could not watch before it opens another', async () => {
  await using context = await createContext()
  const loaded = await loadConfig(context.folder.config, {})
  using start = vi.spyOn(LedgerWatch.prototype, 'start').mockRejectedValueOnce(new Error('no session is free'))
  using close = vi.spyOn(Ledger.prototype, 'close')
  const process = new SyncProcess(loaded, createLogger('sync', 'silent'))
  await process.start()
  expect(start).toHaveBeenCalledTimes(1)
  expect(process.readiness()).toMatchObject({ ready: false, ledger: 'away' })
  expect(close).toHaveBeenCalledTimes(1)
  await vi.waitFor(() => expect(process.readiness()).toMatchObject({ ready: true, ledger: 'reachable' }), {
    timeout: 20_000,
  })
  await process.stop()
  expect(close).toHaveBeenCalledTimes(2)
})
