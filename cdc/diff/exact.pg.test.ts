import { execFileSync } from 'node:child_process'
import { ownCluster } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { pauseLock } from '../apply/pause.ts'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { withSession } from '../database/session.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { startDiffChild } from '../testing/diff-child.ts'
import { leavingOut } from '../testing/leaving-out.ts'
import { addReadings, COPIES, plantedDifferences, READINGS, READINGS_SYNC } from '../testing/planted-differences.ts'
import { CAPABILITY, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { type DiffOptions, type DiffReport, diffCapability } from './diff-capability.ts'

const createDatabase = ownCluster({ max_prepared_transactions: '2' })

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

    await client.query(`PREPARE TRANSACTION 'forgotten'`)
    const refused: unknown = await diff(sync, { mode: 'exact' }).catch(error => error)
    await client.query(`ROLLBACK PREPARED 'forgotten'`)
    expect(refused).toMatchObject({
      code: 'FICUS_SYNC_BEHIND',
      message: expect.stringContaining(`prepared transaction 'forgotten'`),
    })
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
  const [{ done, rows, first_done } = {}] = await sync.onTarget(
    `SELECT count(*)::int AS done, sum(equal_rows)::int AS rows, min(number) AS first_done FROM ficus.diff_range WHERE equal_rows IS NOT NULL`,
  )
  // The first range differs, so it is not among them.
  expect([done, first_done]).toEqual([expect.any(Number), 1])
  expect(done).toBeGreaterThan(3)

  const remarks: string[] = []
  const before = new Date()
  const counted: number[] = []
  const report = await diff(sync, {
    resume: true,
    rangeRows: 1_000,
    onRemark: text => remarks.push(text),
    onProgress: ({ rows }) => counted.push(rows),
  })
  expect(counted[0], 'what was done before').toBe(rows)
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

it('gives no false alarm for a value that sync read back, which is newer than the position', async () => {
  await using sync = await withReadings(100)
  const engine = leavingOut(options => new PostgresSource(options), new Set(['note']))
  const pipeline = await sync.streaming({ engine })
  await pipeline.stop()
  await sync.onTarget(`UPDATE copies SET label = 'really different' WHERE copy_id = 7`)
  await sync.onSource(`UPDATE readings SET note = 'before the position', big = 1 WHERE id = 5`)
  const comparing = diff(sync, { mode: 'exact' })
  await vi.waitFor(
    async () => expect(await sync.onTarget(`SELECT FROM ficus.progress WHERE pause_at > '0/0'`)).toHaveLength(1),
    20_000,
  )
  await sync.onSource(`UPDATE readings SET note = 'behind it', big = 2 WHERE id = 5`)
  await sync.streaming({ engine })
  expect((await comparing).tables).toMatchObject([
    { compared: 100, differing: [{ key: { copy_id: '7' }, columns: ['label'] }], settled: 1, undecided: 0 },
  ])

  // The range of a row that settled was equal, though at no one position.
  await sync.onTarget(`UPDATE copies SET label = 'reading 7' WHERE copy_id = 7`)
  expect(await diff(sync, { resume: true })).toMatchObject({ equal: true, tables: [{ settled: 0 }] })
})

it.each([
  ['TRUNCATE others', []],
  // The rows are still there: what the service lacks must not be taken for gone on both sides.
  ['ALTER TABLE others ALTER COLUMN n TYPE bigint', [{ key: { id: '3' }, kind: 'missing' }]],
])('compares a table anew that looks empty to its snapshot: %s', async (sql, differing) => {
  const tables = [
    ...READINGS_SYNC.tables,
    { source: 'others', target: 'others', key: { id: 'id' }, forward: { n: 'n' } },
  ]
  const others = (type: string) => `CREATE TABLE others (id int PRIMARY KEY, n ${type})`
  await using sync = await createHarness(
    createDatabase,
    `${READINGS}; ${addReadings(1, 10)}; ${others('int')}; INSERT INTO others SELECT n, n FROM generate_series(1, 20) n`,
    `${COPIES}; ${others('bigint')}`,
    { tables },
  )
  // Sync would read the altered table anew, and bring the row back, before it is compared.
  await sync.streaming({ watchMs: 60_000 })
  await sync.onTarget('DELETE FROM others WHERE id = 3')
  const remarks: string[] = []
  let done = false
  const report = await diff(sync, {
    sync: parseSync({ tables }),
    mode: 'exact',
    workers: 1,
    onRemark: text => remarks.push(text),
    // After the snapshots were taken, and before the second table is read.
    onProgress: ({ rows }) => {
      if (rows > 0 && !done) runNow(sync.source.url, sql)
      done = rows > 0
    },
  })
  expect(report.tables[1]?.differing).toMatchObject(differing)
  expect(report.equal).toBe(differing.length === 0)
  expect(report.tables[1]?.compared).toBe(sql.startsWith('TRUNCATE') ? 0 : 20)
  expect(report.positions).toHaveLength(2)
  expect(remarks).toEqual([expect.stringContaining('public.others was truncated or rewritten')])
})

it('killed while it compares, and while sync stands still for it, it leaves nothing behind and goes on from there', async () => {
  await using sync = await withReadings(5_000)
  const pipeline = await sync.streaming()
  await sync.onTarget('ANALYZE copies')
  const { source, target } = sync
  const options = { ...KEY, source, target, sync: READINGS_SYNC, mode: 'exact', rangeRows: 500, workers: 1 } as const
  const compared = () => sync.onTarget('SELECT FROM ficus.diff_range WHERE equal_rows IS NOT NULL').catch(() => [])
  const slots = () =>
    sync.onSource(
      `SELECT FROM pg_replication_slots WHERE slot_name LIKE 'ficus\\_verify\\_%' AND database = current_database()`,
    )
  const requests = () =>
    sync.onTarget(`SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
                   WHERE locktype = 'advisory' AND datname = current_database()`)

  await using first = startDiffChild({ ...options, limits: { maxRowsPerSecond: 1_000 } })
  await vi.waitFor(async () => expect((await compared()).length).toBeGreaterThan(1), 20_000)
  await first.kill()
  const done = (await compared()).length

  await pipeline.stop()
  await using second = startDiffChild({ ...options, resume: true })
  const standsStill = `SELECT FROM ficus.progress WHERE pause_at > '0/0'`
  await vi.waitFor(async () => expect(await sync.onTarget(standsStill)).toHaveLength(1), 20_000)
  expect([await slots(), await requests()]).toEqual([[expect.anything()], [expect.anything()]])
  await second.kill()
  await vi.waitFor(async () => expect([await slots(), await requests()]).toEqual([[], []]), 5_000)
  await sync.onSource(addReadings(5_001, 5_001))
  await sync.streaming()
  await sync.caughtUp()
  expect(await sync.onTarget('SELECT pause_at FROM ficus.progress')).toEqual([{ pause_at: null }])

  const remarks: string[] = []
  const report = await diff(sync, { resume: true, onRemark: text => remarks.push(text) })
  expect(remarks).toEqual([expect.stringContaining(`: ${done} of 10 ranges were compared before`)])
  expect(report).toMatchObject({ equal: true, resumed: true, tables: [{ compared: 5_001 }] })
})

/** Runs SQL while nothing else of this process goes on. */
function runNow(url: string, sql: string): void {
  const script = `import pg from 'pg'
    const client = new pg.Client({ connectionString: process.env.URL })
    await client.connect()
    await client.query(process.env.SQL)
    await client.end()`
  execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, URL: url, SQL: sql },
  })
}
