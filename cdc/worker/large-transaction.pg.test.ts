import { readFile } from 'node:fs/promises'
import { Ledger } from '@ficus/core/ledger/ledger'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { createSyncFolder } from '../testing/sync-child.ts'
import { createHarness } from '../testing/sync-harness.ts'

const SOURCE = 'CREATE TABLE products (id int PRIMARY KEY, name text)'
const TARGET = 'CREATE TABLE items (item_id int PRIMARY KEY, title text)'
const SYNC = { tables: [{ source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name' } }] }
const ROWS = 1_000_000
const WITHIN = { timeout: 240_000, interval: 200 }

/** The most memory that a process ever had, MB (Linux: VmHWM). */
async function peakMegabytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

it.runIf(process.platform === 'linux')(
  'invariant 3: a transaction of a million rows comes whole or not at all, in a process that stays under 300 MB',
  async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await using ledgerDatabase = await createDatabase('ledger')
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
    await using folder = await createSyncFolder({
      monolithUrl: sync.source.url,
      serviceUrl: sync.target.url,
      ledgerUrl: ledgerDatabase.url,
      sync: SYNC,
    })
    const child = await folder.start()
    await vi.waitFor(
      async () => expect(await sync.onTarget('SELECT state FROM ficus.progress')).toEqual([{ state: 'streaming' }]),
      WITHIN,
    )
    await sync.onSource(`INSERT INTO products SELECT n, repeat('x', 100) FROM generate_series(1, ${ROWS}) n`)
    const seen = new Set<unknown>()
    await vi.waitFor(async () => {
      const [row] = await sync.onTarget('SELECT count(*)::int AS rows FROM items')
      seen.add(row?.rows)
      expect(row?.rows).toBe(ROWS)
    }, WITHIN)
    expect([...seen]).toEqual(seen.size === 1 ? [ROWS] : [0, ROWS])
    expect(await peakMegabytes(child.process.pid)).toBeLessThan(300)
  },
  300_000,
)
