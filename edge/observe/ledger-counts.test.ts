import type { EdgeReport } from '@ficus/core/ledger/records'
import { createLogger } from '@ficus/core/log/logger'
import { expect, it } from 'vitest'
import type { FinishedExchange } from '../forward/exchange.ts'
import { until } from '../testing/wire.ts'
import { addCounts, UnreportedCounts } from './ledger-counts.ts'
import { Reporter } from './reporter.ts'

const READ = { capability: 'catalog', route: 'GET /items/:id', isRead: true }
const HEAD = { ...READ }

function finished(side: 'monolith' | 'service', status: number, match: typeof READ | null = READ): FinishedExchange {
  const plan = { match, side, reason: 'dial' as const, shadow: false, setCookie: null }
  return { plan, status, error: null, abandoned: false, milliseconds: 1 } as unknown as FinishedExchange
}

it('counts by capability and side, errors from 500 up, and begins anew', () => {
  const counts = new UnreportedCounts()
  for (const status of [200, 404, 499, 500, 503]) counts.request(finished('service', status))
  counts.request(finished('monolith', 200))
  counts.request(finished('monolith', 500, null))
  expect(counts.take().traffic).toEqual([
    { capability: 'catalog', side: 'monolith', requests: 1, errors: 0 },
    { capability: 'catalog', side: 'service', requests: 5, errors: 2 },
  ])
  expect(counts.take()).toEqual({ traffic: [], shadow: [] })
})

const mirrored = (match: typeof READ, epoch: number) => ({
  match,
  epoch,
  method: 'GET',
  target: '/items/1?x',
  headers: [],
})

it('invariant 9: keeps comparisons of different epochs apart, also those that could not be delivered', () => {
  const counts = new UnreportedCounts()
  counts.shadow(mirrored(READ, 1), { kind: 'mismatched', differences: [] }, new Date(0))
  counts.shadow(mirrored(READ, 2), { kind: 'matched' }, new Date(0))
  const undelivered = counts.take()
  counts.shadow(mirrored(READ, 2), { kind: 'matched' }, new Date(0))
  const due = addCounts(undelivered, counts.take())
  expect(due.shadow.map(({ epoch, matched, mismatched }) => [epoch, matched, mismatched])).toEqual([
    [1, 0, 1],
    [2, 2, 0],
  ])
})

it('adds GET and its HEAD up, as the ledger knows them by one route', () => {
  const counts = new UnreportedCounts()
  const get = mirrored(READ, 1)
  const head = mirrored(HEAD, 1)
  counts.shadow(get, { kind: 'matched' }, new Date(0))
  counts.shadow(head, { kind: 'ignored', reason: 'shed' }, new Date(0))
  counts.shadow(head, { kind: 'mismatched', differences: [] }, new Date(0))
  expect(counts.take().shadow).toEqual([
    {
      capability: 'catalog',
      epoch: 1,
      route: 'GET /items/:id',
      matched: 1,
      mismatched: 1,
      ignored: 1,
      example: { at: '1970-01-01T00:00:00.000Z', method: 'GET', path: '/items/1', differences: [] },
    },
  ])
})

it('keeps what the ledger did not take for the next report, each request once', async () => {
  const counts = new UnreportedCounts()
  const delivered: EdgeReport[] = []
  let away = true
  let tries = 0
  const reporter = new Reporter({
    counts,
    about: () => ({ edge: 'one', epochs: {}, flags: {} }),
    async report(report) {
      tries += 1
      if (away) throw new Error('away')
      delivered.push(report)
    },
    log: createLogger('test', 'silent'),
    interval: 5,
  })
  reporter.start()
  counts.request(finished('service', 200))
  await until('it failed twice', () => tries >= 2)
  counts.request(finished('service', 500))
  const before = tries
  await until('it failed again', () => tries > before)
  away = false
  await until('it is delivered', () => delivered.some(({ traffic }) => traffic.length > 0))
  counts.request(finished('monolith', 200))
  await reporter.drain()

  const traffic = delivered.flatMap(report => report.traffic)
  expect(traffic).toEqual([
    { capability: 'catalog', side: 'service', requests: 2, errors: 1 },
    { capability: 'catalog', side: 'monolith', requests: 1, errors: 0 },
  ])
})
