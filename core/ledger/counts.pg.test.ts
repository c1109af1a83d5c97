import { createDatabase, type TestDatabase } from '@ficus/deploy/testing/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { connect } from './connection.ts'
import { writeEdgeReport } from './edge-report.ts'
import { Ledger } from './ledger.ts'
import type { EdgeReport, MinuteCounts, SyncStatus } from './records.ts'

let database: TestDatabase
let ledger: Ledger
let beside: pg.Client

beforeAll(async () => {
  database = await createDatabase('ledger')
  ledger = await Ledger.open(database.url, ['catalog', 'orders'])
  beside = await connect(database.url, 'the ledger')
})

afterAll(async () => {
  await beside?.end()
  await ledger?.close()
  await database?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await beside.query('TRUNCATE ficus.traffic, ficus.shadow, ficus.edge, ficus.sync_status')
})

const report = (edge: string, over: Partial<EdgeReport> = {}): EdgeReport => ({
  edge,
  epochs: { catalog: 1 },
  flags: { provider: 'file' },
  minutes: [],
  ...over,
})

/** What was counted a moment ago, or `age` milliseconds ago. */
const counted = (over: Partial<MinuteCounts>): Pick<EdgeReport, 'minutes'> => ({
  minutes: [{ age: 0, traffic: [], shadow: [], ...over }],
})

const shadow = (
  route: string,
  [matched, mismatched, ignored]: readonly [number, number, number],
  example?: unknown,
) => ({
  capability: 'catalog',
  epoch: 1,
  route,
  matched,
  mismatched,
  ignored,
  example: example ?? null,
})

const anHourAgo = () => new Date(Date.now() - 3_600_000)

it('sums requests and errors by side over all edges and reports, of one capability alone', async () => {
  const traffic = (capability: string, side: 'monolith' | 'service', requests: number, errors: number) => ({
    capability,
    side,
    requests,
    errors,
  })
  await ledger.reportEdge(report('a', counted({ traffic: [traffic('catalog', 'monolith', 10, 1)] })))
  await ledger.reportEdge(
    report('a', counted({ traffic: [traffic('catalog', 'monolith', 5, 0), traffic('orders', 'service', 7, 7)] })),
  )
  await ledger.reportEdge(
    report('b', counted({ traffic: [traffic('catalog', 'monolith', 1, 1), traffic('catalog', 'service', 3, 2)] })),
  )
  expect(await ledger.traffic('catalog', anHourAgo())).toEqual({
    monolith: { requests: 16, errors: 2 },
    service: { requests: 3, errors: 2 },
  })
  expect(await ledger.traffic('catalog', new Date(Date.now() + 120_000))).toEqual({
    monolith: { requests: 0, errors: 0 },
    service: { requests: 0, errors: 0 },
  })
})

it('sums shadow comparisons by route and keeps the latest example', async () => {
  await ledger.reportEdge(
    report('a', counted({ shadow: [shadow('GET /a', [5, 1, 2], { at: 'price' }), shadow('GET /b', [1, 0, 0])] })),
  )
  await ledger.reportEdge(report('a', counted({ shadow: [shadow('GET /a', [5, 0, 0])] })))
  await beside.query(`UPDATE ficus.shadow SET minute = minute - interval '1 minute'`)
  await ledger.reportEdge(report('b', counted({ shadow: [shadow('GET /a', [0, 1, 0], { at: 'name' })] })))
  expect(await ledger.shadow('catalog', { since: anHourAgo() })).toEqual([
    { route: 'GET /a', matched: 10, mismatched: 2, ignored: 2, example: { at: 'name' } },
    { route: 'GET /b', matched: 1, mismatched: 0, ignored: 0, example: null },
  ])
  expect(await ledger.shadow('orders')).toEqual([])
})

it('invariant 9: tells the comparisons of an epoch from those of another in the same minute', async () => {
  const before = shadow('GET /a', [0, 3, 0], { at: 'price' })
  await ledger.reportEdge(report('a', counted({ shadow: [before, { ...shadow('GET /a', [5, 0, 1]), epoch: 2 }] })))
  await ledger.reportEdge(report('a', counted({ shadow: [before, { ...shadow('GET /a', [1, 0, 0]), epoch: 2 }] })))
  expect(await ledger.shadow('catalog', { epoch: 2 })).toEqual([
    { route: 'GET /a', matched: 6, mismatched: 0, ignored: 1, example: null },
  ])
  expect(await ledger.shadow('catalog', { epoch: 1 })).toMatchObject([{ matched: 0, mismatched: 6 }])
  expect(await ledger.shadow('catalog', { epoch: 2, since: new Date(Date.now() + 120_000) })).toEqual([])
  expect(await ledger.shadow('catalog')).toMatchObject([{ matched: 6, mismatched: 6 }])
})

it('invariant 9: stamps what comes late with the minute in which it was counted', async () => {
  const { rows } = await beside.query<{ now: Date }>('SELECT clock_timestamp() AS now')
  const now = rows[0]?.now.getTime() ?? 0
  const traffic = [{ capability: 'catalog', side: 'service' as const, requests: 1, errors: 0 }]
  const minutes = [0, 10, 20].map(age => ({ age: age * 60_000, traffic, shadow: [shadow('GET /a', [1, 0, 0])] }))
  await ledger.reportEdge(report('a', { minutes }))

  const ago = (minutes: number) => new Date(now - minutes * 60_000)
  const since = async (start: Date) => [
    (await ledger.shadow('catalog', { epoch: 1, since: start }))[0]?.matched,
    (await ledger.traffic('catalog', start)).service.requests,
  ]
  expect(await since(ago(5))).toEqual([1, 1])
  expect(await since(ago(15))).toEqual([2, 2])
  expect(await since(ago(25))).toEqual([3, 3])
})

it('invariant 9: a report that is held up on its way freshens nothing', async () => {
  await ledger.reportEdge(report('a'))
  const { rows } = await beside.query<{ now: Date }>('SELECT clock_timestamp() AS now')
  const madeAt = performance.now() - 3 * 60_000
  await writeEdgeReport(beside, report('a', counted({ shadow: [shadow('GET /a', [1, 0, 0])] })), madeAt)
  const since = new Date((rows[0]?.now.getTime() ?? 0) - 60_000)
  expect(await ledger.shadow('catalog', { since })).toEqual([])
  expect(await ledger.shadow('catalog')).toMatchObject([{ matched: 1 }])
})

it('adds the epoch to a ledger of before; what that counted is evidence for none', async () => {
  await using older = await createDatabase('ledger')
  const first = await Ledger.open(older.url, ['catalog'])
  await first.reportEdge(report('a', counted({ shadow: [shadow('GET /a', [7, 0, 0])] })))
  await first.close()
  const inside = await connect(older.url, 'the ledger')
  await inside.query(`ALTER TABLE ficus.shadow DROP COLUMN epoch;
                      ALTER TABLE ficus.shadow ADD PRIMARY KEY (capability, minute, edge, route);
                      COMMENT ON SCHEMA ficus IS 'an older version'`)
  await inside.end()

  const again = await Ledger.open(older.url, ['catalog'])
  const now = [shadow('GET /a', [1, 0, 0]), { ...shadow('GET /a', [2, 0, 0]), epoch: 2 }]
  await again.reportEdge(report('a', counted({ shadow: now })))
  expect(await again.shadow('catalog', { epoch: 1 })).toMatchObject([{ matched: 1 }])
  expect(await again.shadow('catalog', { epoch: 2 })).toMatchObject([{ matched: 2 }])
  expect(await again.shadow('catalog')).toMatchObject([{ matched: 10 }])
  await again.close()
})

it('writes a report whole or not at all', async () => {
  const broken = report(
    'c',
    counted({
      traffic: [{ capability: 'catalog', side: 'monolith', requests: 1, errors: 0 }],
      shadow: [{ ...shadow('GET /a', [1, 0, 0]), capability: 'nope' }],
    }),
  )
  await expect(ledger.reportEdge(broken)).rejects.toMatchObject({ code: 'FICUS_CAPABILITY_UNKNOWN' })
  expect(await ledger.traffic('catalog', anHourAgo())).toMatchObject({ monolith: { requests: 0 } })
  expect(await ledger.liveEdges(60)).toEqual([])
})

it('knows which edges live, and what they act on', async () => {
  await ledger.reportEdge(report('a'))
  await ledger.reportEdge(report('b'))
  await ledger.reportEdge(report('b', { epochs: { catalog: 2 } }))
  await beside.query(`UPDATE ficus.edge SET seen_at = seen_at - interval '1 minute' WHERE id = 'a'`)
  expect(await ledger.liveEdges(30)).toEqual([{ id: 'b', epochs: { catalog: 2 }, flags: { provider: 'file' } }])
  expect((await ledger.liveEdges(90)).map(({ id }) => id)).toEqual(['a', 'b'])
})

it('forgets counts past their keeping time, and keeps younger ones', async () => {
  const traffic = [{ capability: 'catalog', side: 'service' as const, requests: 1, errors: 0 }]
  await ledger.reportEdge(report('old', counted({ traffic, shadow: [shadow('GET /old', [1, 0, 0])] })))
  await beside.query(`UPDATE ficus.traffic SET minute = minute - interval '3 days';
                      UPDATE ficus.shadow SET minute = minute - interval '3 days';
                      UPDATE ficus.edge SET seen_at = seen_at - interval '3 days'`)
  await ledger.reportEdge(report('new', counted({ traffic, shadow: [shadow('GET /new', [1, 0, 0])] })))
  await ledger.forgetOldCounts()
  expect((await ledger.traffic('catalog', new Date(0))).service.requests).toBe(1)
  expect((await ledger.shadow('catalog')).map(({ route }) => route)).toEqual(['GET /new'])
  expect((await ledger.liveEdges(10 * 86_400)).map(({ id }) => id)).toEqual(['new'])
})

it('keeps the latest status of sync, with its age by the ledger’s clock', async () => {
  const status: SyncStatus = {
    direction: 'forward',
    engine: 'postgres',
    state: 'streaming',
    copiedRows: 100,
    estimatedRows: 100,
    appliedRows: 3,
    parked: 0,
    lagRows: 0,
    lagSeconds: 0.2,
    position: '0/16B3748',
    error: null,
  }
  expect(await ledger.syncStatus('catalog')).toBeNull()
  await ledger.reportSync('catalog', 'worker-1', { ...status, state: 'copying' })
  await ledger.reportSync('catalog', 'worker-2', status)
  await beside.query(`UPDATE ficus.sync_status SET reported_at = reported_at - interval '1 minute'`)
  const stored = await ledger.syncStatus('catalog')
  expect(stored).toMatchObject({ ...status, worker: 'worker-2', reportedAt: expect.any(Date) })
  expect(stored?.ageSeconds).toBeGreaterThanOrEqual(60)
  expect(stored?.ageSeconds).toBeLessThan(90)
})
