import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type DriveResult, drive } from './drive.ts'
import { judgeLoad, type LoadRun } from './judge-load.ts'
import { percentiles, withOmitted } from './percentile.ts'

const limits = { rate: 100, duration: 10_000, maxErrors: 0, maxP99Ratio: 2, p99FloorMs: 50 }

describe('judgeLoad', () => {
  const side = (p99: number, more: Partial<DriveResult> = {}): DriveResult => ({
    latency: { p50: 1, p90: 1, p99, max: p99 },
    throughput: 100,
    answers: 1_000,
    errors: 0,
    errorKinds: {},
    ...more,
  })
  const run = (monolith: DriveResult, service: DriveResult, more: Partial<LoadRun> = {}): LoadRun => ({
    rate: 100,
    duration: 10_000,
    monolith,
    service,
    ...more,
  })

  it.each([
    [
      'as fast',
      run(side(80), side(90)),
      'pass',
      'service 100/s, p99 90 ms, 0 errors; monolith 100/s, p99 80 ms, 0 errors',
    ],
    ['slower, but fast enough for anybody', run(side(2), side(50)), 'pass', 'service 100/s, p99 50 ms'],
    ['three times as slow', run(side(80), side(240)), 'fail', "p99 is 3.0 times the monolith's, limit 2"],
    ['an error', run(side(80), side(80, { errors: 1 })), 'fail', 'service 100/s, p99 80 ms, 1 error;'],
    ['more errors than allowed', run(side(80), side(80, { errors: 1 })), 'fail', 'had more errors than 0'],
    ['just fast enough for the rate', run(side(80), side(80, { throughput: 95 })), 'pass', 'asked 100/s'],
    [
      'too slow for a rate that the monolith reached',
      run(side(80), side(80, { throughput: 94 })),
      'fail',
      'service 94/s, p99 80 ms, 0 errors; monolith 100/s, p99 80 ms, 0 errors; asked 100/s: the service did not reach',
    ],
    [
      'a rate that neither side reached',
      run(side(900, { throughput: 94 }), side(900, { throughput: 60 })),
      'inconclusive',
      'neither side reached 100/s: this machine cannot drive it',
    ],
    [
      'errors on both sides of a machine that cannot drive either',
      run(side(900, { throughput: 50, errors: 4 }), side(900, { throughput: 50, errors: 1 })),
      'inconclusive',
      'neither side reached 100/s',
    ],
    [
      'errors of the service alone where neither side reached the rate',
      run(side(900, { throughput: 50 }), side(900, { throughput: 50, errors: 1 })),
      'fail',
      'had more errors than 0',
    ],
    ['a rate that the monolith alone missed', run(side(900, { throughput: 50 }), side(90)), 'pass', 'monolith 50/s'],
    ['a smaller rate than asked for', run(side(9), side(9), { rate: 50 }), 'inconclusive', 'asks for 100/s'],
    ['a shorter time than asked for', run(side(9), side(9), { duration: 2_000 }), 'inconclusive', 'asks for 10 s'],
    [
      'a monolith that fails',
      run(side(80, { errors: 3 }), side(90)),
      'inconclusive',
      'the monolith had 3 errors itself',
    ],
  ] as const)('%s', (_name, figures, verdict, words) => {
    const judgement = judgeLoad(figures, limits)
    expect(judgement.verdict).toBe(verdict)
    expect(judgement.summary).toContain(words)
  })
})

describe('percentiles', () => {
  it('takes the nearest rank', () => {
    const values = Float64Array.from({ length: 100 }, (_, index) => 100 - index)
    expect(percentiles(values)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 })
    expect(percentiles(Float64Array.from([5]))).toEqual({ p50: 5, p90: 5, p99: 5, max: 5 })
    expect(percentiles(new Float64Array())).toEqual({ p50: 0, p90: 0, p99: 0, max: 0 })
  })
  it('counts the requests that a slow answer held up', () => {
    expect([...withOmitted([20, 2_500], 1_000)]).toEqual([20, 2_500, 1_500, 500])
    expect([...withOmitted([1_000], 1_000)]).toEqual([1_000])
  })
})

const LONG = { timeout: 40_000 }

describe('drive', () => {
  // A machine with other work sends later, and answers later, than asked for.
  it('sends at an even, open rate, takes the requests in turn, and counts what is no success', LONG, async () => {
    const arrivals: { path: string; at: number }[] = []
    await using server = await listen(async (request, response) => {
      arrivals.push({ path: request.url ?? '', at: performance.now() })
      await delay(30)
      response.statusCode = request.url === '/bad' ? 503 : 200
      response.end('{}')
    })
    const requests = ['/a', '/b', '/bad', '/c']
    const { signal } = new AbortController()
    const result = await drive({ url: server.url, requests, rate: 100, duration: 2_000, signal })

    expect(result.throughput).toBeGreaterThan(50)
    expect(result.throughput).toBeLessThanOrEqual(101)
    expect(result.latency.p50).toBeGreaterThanOrEqual(29)
    expect(result.errorKinds).toEqual({ 503: result.errors })
    expect(result.errors / result.answers).toBeCloseTo(0.25, 1)
    expect(new Set(arrivals.map(({ path }) => path))).toEqual(new Set(requests))
    // Paced by the second, everything would arrive in one or two tenths of each second.
    const first = arrivals[0]?.at ?? 0
    const tenths = new Set(arrivals.map(({ at }) => Math.floor((at - first) / 100)).filter(tenth => tenth < 20))
    expect(tenths.size).toBeGreaterThan(5)
  })

  it('ends early when it is aborted', LONG, async () => {
    await using server = await listen((_request, response) => response.end('{}'))
    const startedAt = performance.now()
    const signal = AbortSignal.timeout(300)
    await expect(drive({ url: server.url, requests: ['/'], rate: 50, duration: 30_000, signal })).rejects.toThrow()
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })
})

async function listen(answer: RequestListener) {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
