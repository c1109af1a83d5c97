import { COUNTS_KEPT } from '@ficus/core/ledger/ledger'
import type { EdgeReport } from '@ficus/core/ledger/records'
import { createLogger } from '@ficus/core/log/logger'
import { expect, it } from 'vitest'
import type { FinishedExchange } from '../forward/exchange.ts'
import { until } from '../testing/wire.ts'
import { addCounts, UnreportedCounts } from './ledger-counts.ts'
import { Reporter } from './reporter.ts'

/** Within a minute, milliseconds since the epoch. */
const AT = 5 * 60_000 + 10_000
const READ = { capability: 'catalog', route: 'GET /items/:id', isRead: true }
const HEAD = { ...READ }

function finished(side: 'monolith' | 'service', status: number, match: typeof READ | null = READ): FinishedExchange {
  const plan = { match, side, reason: 'dial' as const, shadow: false, setCookie: null }
  return { plan, status, error: null, abandoned: false, milliseconds: 1 } as unknown as FinishedExchange
}

it('counts by capability and side, errors from 500 up, and begins anew', () => {
  const counts = new UnreportedCounts()
  for (const status of [200, 404, 499, 500, 503]) counts.request(finished('service', status), AT)
  counts.request(finished('monolith', 200), AT)
  counts.request(finished('monolith', 500, null), AT)
  expect(counts.take().map(({ traffic }) => traffic)).toEqual([
    [
      { capability: 'catalog', side: 'monolith', requests: 1, errors: 0 },
      { capability: 'catalog', side: 'service', requests: 5, errors: 2 },
    ],
  ])
  expect(counts.take()).toEqual([])
})

const mirrored = (match: typeof READ, epoch: number, at = AT) => ({
  match,
  epoch,
  at,
  method: 'GET',
  target: '/items/1?x',
  headers: [],
})

it('invariant 9: keeps comparisons of different epochs apart, also those that could not be delivered', () => {
  const counts = new UnreportedCounts()
  counts.shadow(mirrored(READ, 1), { kind: 'mismatched', differences: [] })
  counts.shadow(mirrored(READ, 2), { kind: 'matched' })
  const undelivered = counts.take()
  counts.shadow(mirrored(READ, 2), { kind: 'matched' })
  const due = addCounts(undelivered, counts.take())
  expect(
    due.flatMap(({ shadow }) => shadow).map(({ epoch, matched, mismatched }) => [epoch, matched, mismatched]),
  ).toEqual([
    [1, 0, 1],
    [2, 2, 0],
  ])
})

it('invariant 9: keeps minutes apart, also those that could not be delivered', () => {
  const counts = new UnreportedCounts()
  counts.request(finished('service', 200), AT + 2_000)
  counts.shadow(mirrored(READ, 1, AT + 1_000), { kind: 'matched' })
  const undelivered = counts.take()
  counts.request(finished('service', 200), AT + 60_000)
  // Compared now, but mirrored before.
  counts.shadow(mirrored(READ, 1), { kind: 'mismatched', differences: [] })
  counts.shadow(mirrored(READ, 1, AT + 61_000), { kind: 'matched' })

  const due = addCounts(undelivered, counts.take())

  expect(due).toMatchObject([
    { since: AT, traffic: [{ requests: 1 }], shadow: [{ matched: 1, mismatched: 1 }] },
    { since: AT + 60_000, traffic: [{ requests: 1 }], shadow: [{ matched: 1, mismatched: 0 }] },
  ])
})

it('adds GET and its HEAD up, as the ledger knows them by one route', () => {
  const counts = new UnreportedCounts()
  const get = mirrored(READ, 1)
  const head = mirrored(HEAD, 1)
  counts.shadow(get, { kind: 'matched' })
  counts.shadow(head, { kind: 'ignored', reason: 'shed' })
  counts.shadow(head, { kind: 'mismatched', differences: [] })
  expect(counts.take().flatMap(({ shadow }) => shadow)).toEqual([
    {
      capability: 'catalog',
      epoch: 1,
      route: 'GET /items/:id',
      matched: 1,
      mismatched: 1,
      ignored: 1,
      example: { at: '1970-01-01T00:05:10.000Z', method: 'GET', path: '/items/1', differences: [] },
    },
  ])
})

it('invariant 9: keeps what the ledger did not take for the next report, each request once and with its age', async () => {
  const counts = new UnreportedCounts()
  const delivered: EdgeReport[] = []
  let away = true
  let now = AT
  let tries = 0
  const reporter = new Reporter({
    counts,
    about: () => ({ edge: 'one', epochs: {}, flags: {} }),
    async report(report) {
      tries += 1
      if (away) throw new Error('away')
      delivered.push(report)
    },
    now: () => now,
    log: createLogger('test', 'silent'),
    interval: 5,
  })
  reporter.start()
  counts.request(finished('service', 200), now)
  await until('it failed twice', () => tries >= 2)
  now += 120_000
  counts.request(finished('service', 500), now)
  const before = tries
  await until('it failed again', () => tries > before)
  away = false
  await until('it is delivered', () => delivered.some(({ minutes }) => minutes.length > 0))
  counts.request(finished('monolith', 200), now)
  await reporter.drain()

  expect(delivered.flatMap(({ minutes }) => minutes)).toMatchObject([
    { age: 120_000, traffic: [{ side: 'service', requests: 1, errors: 0 }] },
    { age: 0, traffic: [{ side: 'service', requests: 1, errors: 1 }] },
    { age: 0, traffic: [{ side: 'monolith', requests: 1, errors: 0 }] },
  ])
})

it('gives up what the ledger would not have kept as long', async () => {
  const counts = new UnreportedCounts()
  let due: EdgeReport['minutes'] = []
  let now = AT
  const reporter = new Reporter({
    counts,
    about: () => ({ edge: 'one', epochs: {}, flags: {} }),
    async report({ minutes }) {
      due = minutes
      throw new Error('away')
    },
    now: () => now,
    log: createLogger('test', 'silent'),
    interval: 1_000,
  })
  counts.request(finished('service', 200), now)
  await reporter.drain()
  now += COUNTS_KEPT
  await reporter.drain()
  expect(due).toHaveLength(1)
  await reporter.drain()
  expect(due).toEqual([])
})
