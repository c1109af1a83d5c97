import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import { CAPABILITY, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { createTcpProxy } from '../testing/tcp-proxy.ts'
import { alignSnapshots } from './aligned-snapshots.ts'
import { type DiffOptions, diffCapability } from './diff-capability.ts'

const SOURCE = `
  CREATE TABLE notes (id int NOT NULL, label text);
  ALTER TABLE notes REPLICA IDENTITY FULL;
  INSERT INTO notes SELECT n, 'label ' || n FROM generate_series(1, 4000) n;
  ANALYZE notes;
`
const TARGET = 'CREATE TABLE copies (copy_id int UNIQUE, label text)'
const SYNC = { tables: [{ source: 'notes', target: 'copies', key: { id: 'copy_id' }, forward: { label: 'label' } }] }
const KEY = { capability: CAPABILITY, direction: 'forward' } as const

function diff({ source, target }: SyncHarness, options: Partial<DiffOptions> = {}) {
  return diffCapability({ ...KEY, source, target, sync: parseSync(SYNC), mode: 'recheck', ...options })
}

it('invariant 3: a row whose key is null, and the second row of one key, are differences', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.onTarget(`ANALYZE copies; INSERT INTO copies VALUES (NULL, 'nobody'), (NULL, 'nobody')`)
  const ofNull = { key: { copy_id: '' }, kind: 'extra' }
  expect((await diff(sync, { rangeRows: 500 })).tables).toMatchObject([{ equal: 4_000, differing: [ofNull, ofNull] }])
  await sync.onTarget('DELETE FROM copies WHERE copy_id IS NULL')
  expect((await diff(sync)).equal).toBe(true)

  // A source without a key may hold a row twice; the target cannot.
  await sync.onSource(`INSERT INTO notes VALUES (7, 'label 7')`)
  await sync.caughtUp()
  const { equal, tables } = await diff(sync)
  expect({ equal, tables }).toMatchObject({
    equal: false,
    tables: [{ differing: [{ key: { copy_id: '7' }, kind: 'missing' }] }],
  })
})

it('one comparison never marks the ranges of another one as equal', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.onSource('ALTER TABLE notes ADD PRIMARY KEY (id)')
  await sync.onTarget('ALTER TABLE copies ADD PRIMARY KEY (copy_id)')
  await sync.streaming()
  // With a difference, so that the ranges stay to be looked at.
  await sync.onTarget(`ANALYZE copies; UPDATE copies SET label = 'another' WHERE copy_id = 4000`)
  let replaced: Promise<unknown> | undefined
  const onProgress = ({ rows }: { rows: number }) => {
    if (rows === 0) return
    // As if another run had planned other ranges meanwhile.
    replaced ??= sync.onTarget(
      `UPDATE ficus.diff_range SET above = '["90000"]', up_to = '["90001"]', equal_rows = NULL, compared_at = NULL`,
    )
  }
  const report = await diff(sync, { rangeRows: 500, workers: 1, limits: { maxRowsPerSecond: 4_000 }, onProgress })
  await replaced
  expect(report.equal).toBe(false)
  expect(await sync.onTarget('SELECT FROM ficus.diff_range')).not.toEqual([])
  expect(await sync.onTarget('SELECT FROM ficus.diff_range WHERE equal_rows IS NOT NULL')).toEqual([])
})

it('refuses to compare while rows are being copied beside the stream', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.onTarget('UPDATE ficus.flow SET reading = true')
  await expect(diff(sync)).rejects.toMatchObject({
    code: 'FICUS_SYNC_BEHIND',
    message: expect.stringContaining('public.copies is being copied beside the stream'),
  })
})

it('a comparison behind a network that swallows everything does not hold sync back', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  // Nobody applies anything any more, so that the comparison waits for the target to get there.
  await (await sync.streaming()).stop()
  const holders = () =>
    sync.onTarget(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = hashtext('ficus verify')::oid::int8
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
  const proxy = await createTcpProxy(Number(new URL(sync.target.url).port))
  const target = { ...sync.target, url: proxy.through(sync.target.url) }
  const { signal } = new AbortController()
  const aligning = alignSnapshots({ source: sync.source, target, key: KEY, timeoutMs: 60_000, signal })
  aligning.catch(() => {})
  await vi.waitFor(async () => {
    expect(await sync.onTarget(`SELECT FROM ficus.progress WHERE pause_at > '0/0'`)).toHaveLength(1)
  }, 20_000)
  expect(await holders()).toHaveLength(1)
  proxy.hang()
  await vi.waitFor(async () => expect(await holders()).toEqual([]), { timeout: 30_000, interval: 200 })
  await proxy[Symbol.asyncDispose]()
  await expect(aligning).rejects.toThrow()
})
