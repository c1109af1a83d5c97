import { startTestPostgres } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { pauseLock } from '../apply/pause.ts'
import { withSession } from '../database/session.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { addReadings, COPIES, plantedDifferences, READINGS, READINGS_SYNC } from '../testing/planted-differences.ts'
import { CAPABILITY, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { type DiffOptions, type DiffReport, diffCapability } from './diff-capability.ts'

/** A slot waits for all transactions of its server, and other tests have long ones. */
let cluster: Awaited<ReturnType<typeof startTestPostgres>>
let databases = 0
beforeAll(async () => {
  cluster = await startTestPostgres()
})
afterAll(() => cluster.stop())

const createDatabase = async (prefix: string) => {
  databases += 1
  return { url: await cluster.createDatabase(`${prefix}_${databases}`), [Symbol.asyncDispose]: async () => {} }
}

const KEY = { capability: CAPABILITY, direction: 'forward' } as const

function diff(sync: SyncHarness, options: Partial<DiffOptions> = {}): Promise<DiffReport> {
  const { source, target } = sync
  return diffCapability({ ...KEY, source, target, sync: parseSync(READINGS_SYNC), timeoutMs: 40_000, ...options })
}

function withReadings(rows: number): Promise<SyncHarness> {
  return createHarness(createDatabase, `${READINGS}; ${addReadings(1, rows)}; ANALYZE readings`, COPIES, READINGS_SYNC)
}

it.each(['exact', 'recheck'] as const)('finds each planted difference among 200,000 rows (%s)', async mode => {
  const rows = 200_000
  const planted = plantedDifferences(rows)
  await using sync = await withReadings(rows)
  await sync.streaming()
  await sync.onTarget(`ANALYZE copies; ${planted.map(({ sql }) => sql).join('; ')}`)
  const report = await diff(sync, { mode, showValues: true })
  const found = (report.tables[0]?.differing ?? []).map(({ key, kind, columns }) => ({
    id: key.copy_id,
    kind,
    columns,
  }))
  const byId = (a: { id?: string | undefined }, b: { id?: string | undefined }) => Number(a.id) - Number(b.id)
  expect(found.sort(byId)).toEqual(
    planted.map(({ id, kind, columns }) => ({ id: String(id), kind, columns })).sort(byId),
  )
  expect(report).toMatchObject({ mode, equal: false, tables: [{ compared: rows + 1, unlisted: 0, undecided: 0 }] })
  const space = planted.find(({ what }) => what === 'a space at the end')
  expect(report.tables[0]?.differing.find(({ key }) => key.copy_id === String(space?.id))?.values).toEqual({
    label: { source: `reading ${space?.id}`, target: `reading ${space?.id} ` },
  })
})

it('invariant 3: compares both sides at one position in many rounds, while transactions of all sizes go on', async () => {
  await using sync = await withReadings(3_000)
  // Batches smaller than the larger transactions, so that some are applied in parts.
  await sync.streaming({ batchRows: 40 })
  const writing = new AbortController()
  const writers = [1, 2].map(async writer => {
    const client = new pg.Client({ connectionString: sync.source.url })
    await client.connect()
    try {
      for (let round = 0; !writing.signal.aborted; round++) {
        const many = round % 5 === 0 ? 150 : 2
        const from = (round * 37) % 2_800
        await client.query('BEGIN')
        await client.query('UPDATE readings SET price = price + 1 WHERE id BETWEEN $1 AND $2 AND id % 2 = $3', [
          from,
          from + many,
          writer % 2,
        ])
        await client.query(addReadings(10_000 * writer + round * 3, 10_000 * writer + round * 3 + 2))
        await client.query('DELETE FROM readings WHERE id = $1', [10_000 * writer + round * 3 + 1])
        await client.query('COMMIT')
      }
    } finally {
      await client.end()
    }
  })
  try {
    for (let round = 0; round < 20; round++) {
      const report = await diff(sync, { mode: 'exact' })
      expect(report.tables[0]?.differing, `round ${round}`).toEqual([])
      expect(report).toMatchObject({ equal: true, mode: 'exact', positions: [expect.stringMatching(/^[0-9A-F]+\//)] })
    }
  } finally {
    writing.abort()
    await Promise.all(writers)
  }
  await sync.caughtUp()
  expect(
    await sync.onTarget('SELECT count(*) FILTER (WHERE pause_at IS NOT NULL)::int AS paused FROM ficus.progress'),
  ).toEqual([{ paused: 0 }])
})

it('looks twice where a transaction of the source will not end, and says why; or refuses', async () => {
  await using sync = await withReadings(100)
  await sync.streaming()
  const client = new pg.Client({ connectionString: sync.source.url, application_name: 'a long report' })
  await client.connect()
  try {
    await client.query('BEGIN; SELECT pg_current_xact_id()')
    const remarks: string[] = []
    const report = await diff(sync, { onRemark: text => remarks.push(text) })
    expect(report).toMatchObject({ equal: true, mode: 'recheck', inexact: expect.stringContaining('a long report') })
    expect(remarks.join()).toContain('a long report')
    await expect(diff(sync, { mode: 'exact' })).rejects.toMatchObject({ code: 'FICUS_SYNC_BEHIND' })
    await sync.onSource(addReadings(101, 102))
    await sync.caughtUp()
  } finally {
    await client.end()
  }
})

it('a comparison that died does not hold sync back', async () => {
  await using sync = await withReadings(10)
  await sync.streaming()
  await withSession(sync.target, async client => {
    await client.query(`SELECT pg_advisory_lock(${pauseLock(KEY)})`)
    await client.query(`UPDATE ficus.progress SET pause_at = '0/1'`)
    await sync.onSource(addReadings(11, 11))
    const stood = await sync.onTarget('SELECT position FROM ficus.progress')
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await sync.onTarget('SELECT position FROM ficus.progress')).toEqual(stood)
  })
  await vi.waitFor(
    async () => expect(await sync.onTarget('SELECT FROM copies WHERE copy_id = 11')).toHaveLength(1),
    20_000,
  )
  expect(await sync.onTarget('SELECT pause_at FROM ficus.progress')).toEqual([{ pause_at: null }])
})

it('goes on where it was broken off, and compares again only what was not equal', async () => {
  await using sync = await withReadings(20_000)
  await sync.streaming()
  await sync.onTarget(`ANALYZE copies; UPDATE copies SET note = 'x' WHERE copy_id = 1`)
  const breaking = new AbortController()
  const first = diff(sync, {
    rangeRows: 1_000,
    workers: 1,
    signal: breaking.signal,
    onProgress: ({ rows }) => rows > 8_000 && breaking.abort(new Error('enough')),
  })
  await expect(first).rejects.toThrow('enough')
  const [{ done, first_done } = {}] = await sync.onTarget(
    `SELECT count(*)::int AS done, min(number) AS first_done FROM ficus.diff_range WHERE equal_rows IS NOT NULL`,
  )
  // The first range differs, so it is not among them.
  expect([done, first_done]).toEqual([expect.any(Number), 1])
  expect(done).toBeGreaterThan(3)

  const remarks: string[] = []
  const before = new Date()
  const report = await diff(sync, { resume: true, rangeRows: 1_000, onRemark: text => remarks.push(text) })
  expect(remarks).toEqual([expect.stringMatching(`public.copies: ${done} of \\d+ ranges were compared before`)])
  expect(report.tables).toMatchObject([{ compared: 20_000, equal: 19_999, differing: [{ key: { copy_id: '1' } }] }])
  expect(report.since.getTime()).toBeLessThan(before.getTime())
  await sync.onTarget('UPDATE copies SET note = NULL WHERE copy_id = 1')
  expect((await diff(sync, { resume: true })).tables).toMatchObject([{ compared: 20_000, equal: 19_999 }])
  await sync.onTarget(`UPDATE copies SET note = 'note 1' WHERE copy_id = 1`)
  expect((await diff(sync, { resume: true })).tables).toMatchObject([{ compared: 20_000, equal: 20_000 }])
  expect(await sync.onTarget('SELECT FROM ficus.diff_range')).toEqual([])
})

it('leaves nothing of a comparison behind that was broken off, once the sync is dropped', async () => {
  await using sync = await withReadings(5_000)
  const pipeline = await sync.streaming()
  await sync.onTarget('ANALYZE copies')
  const breaking = new AbortController()
  const onProgress = ({ rows }: { rows: number }) => rows > 2_000 && breaking.abort(new Error('enough'))
  await expect(diff(sync, { rangeRows: 1_000, workers: 1, signal: breaking.signal, onProgress })).rejects.toThrow(
    'enough',
  )
  expect(await sync.onTarget('SELECT FROM ficus.diff_range LIMIT 1')).toHaveLength(1)
  await pipeline.drop()
  expect(await sync.onTarget('SELECT FROM ficus.diff_range')).toEqual([])
})

it('takes new snapshots where one grows old, and pauses while sync is behind', async () => {
  await using sync = await withReadings(5_000)
  const pipeline = await sync.streaming()
  await sync.onTarget('ANALYZE copies')
  const report = await diff(sync, { mode: 'exact', rangeRows: 1_000, snapshotMs: 0, workers: 1 })
  expect(report).toMatchObject({ equal: true, tables: [{ compared: 5_000 }] })
  expect(report.positions.length).toBeGreaterThan(2)

  await pipeline.stop()
  await sync.onTarget(`UPDATE ficus.progress SET source_commit = source_commit - interval '1 minute'`)
  const remarks: string[] = []
  const waiting = diff(sync, { limits: { maxLagSeconds: 30 }, onRemark: text => remarks.push(text) })
  await vi.waitFor(() => expect(remarks).toEqual([expect.stringMatching(/^waiting: sync is \d+ s behind/)]), 20_000)
  await sync.streaming()
  expect(await waiting).toMatchObject({ equal: true })
  expect(remarks.at(-1)).toBe('going on')
})
