import { gzipSync } from 'node:zlib'
import { lackingMetrics } from '@ficus/deploy/testing/asked-metrics'
import { describe, expect, it } from 'vitest'
import { startEdge, type TestEdge } from '../testing/edge.ts'
import { startNamed, startUpstream } from '../testing/upstream.ts'
import { send, until } from '../testing/wire.ts'

const json = (value: unknown) =>
  startUpstream((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
  })

/** What the edge told the ledger of its comparisons, added up. */
function shadowOf(edge: TestEdge) {
  const sum = { matched: 0, mismatched: 0, ignored: 0, example: null as unknown }
  for (const entry of edge.source.shadow) {
    sum.matched += entry.matched
    sum.mismatched += entry.mismatched
    sum.ignored += entry.ignored
    sum.example = entry.example ?? sum.example
  }
  return sum
}

async function ignoredFor(edge: TestEdge): Promise<string | undefined> {
  await until('something is ignored', () => shadowOf(edge).ignored > 0)
  const { text } = await send(`${edge.managementUrl}/metrics`)
  return /ficus_edge_shadow_total\{.*result="ignored",reason="(\w+)"\} 1/.exec(text)?.[1]
}

const MIRRORED = { phase: 'shadowing', dials: { shadow: 100 } } as const

describe('a mirrored read', () => {
  it('reaches the service with the same target and headers, and a mark', async () => {
    await using monolith = await json({ a: 1 })
    await using service = await json({ a: 1 })
    await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url })
    const headers = { cookie: 'sid=1', 'if-none-match': '"x"', 'accept-language': 'de' }

    const answer = await send(`${edge.url}/items/1?x=%2F`, { headers })
    await until('it matched', () => shadowOf(edge).matched === 1)

    expect(answer.headers['x-ficus-side']).toBe('monolith')
    expect(service.requests[0]?.url).toBe('/items/1?x=%2F')
    expect(service.requests[0]?.headers).toMatchObject({
      'x-ficus-shadow': '1',
      cookie: 'sid=1',
      'accept-language': 'de',
      'x-forwarded-for': '127.0.0.1',
    })
    expect(service.requests[0]?.headers).not.toHaveProperty('if-none-match')
    expect(monolith.requests[0]?.headers).not.toHaveProperty('x-ficus-shadow')
  })

  it('tells where the answers differ, without the query', async () => {
    await using monolith = await json({ price: 1, at: 1 })
    await using service = await json({ price: 2, at: 2 })
    const edgeConfig = { shadow: { ignore: ['at'] } }
    await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url, edge: edgeConfig })

    await send(`${edge.url}/items/1?token=secret`)
    await until('it differed', () => shadowOf(edge).mismatched === 1)

    expect(shadowOf(edge).example).toEqual({
      at: expect.any(String),
      method: 'GET',
      path: '/items/1',
      differences: [{ path: 'price', control: '1', candidate: '2' }],
    })
    const reported = edge.source.shadow
    expect(reported[0]).toMatchObject({ capability: 'catalog', route: 'GET /items/:id' })
  })

  it('compares what is compressed', async () => {
    await using monolith = await startUpstream((_request, response) => {
      response.setHeader('content-type', 'application/json').setHeader('content-encoding', 'gzip')
      response.end(gzipSync('{"a":1,"b":2}'))
    })
    await using service = await json({ b: 2, a: 1 })
    await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url })
    await send(`${edge.url}/items/1`)
    await until('it matched', () => shadowOf(edge).matched === 1)
  })

  it('is a sample of the requests, not of the users', async () => {
    await using upstream = await startNamed('any')
    await using edge = await startEdge({ monolith: upstream.url, phase: 'shadowing', dials: { shadow: 50 } })
    for (let i = 0; i < 60; i += 1) await send(`${edge.url}/items/1`, { headers: { cookie: 'sid=always-me' } })
    const { matched } = shadowOf(edge)
    expect(matched).toBeGreaterThan(10)
    expect(matched).toBeLessThan(50)
  })

  it('is asked of the service alone in the phases that compare', async () => {
    await using monolith = await startNamed('any')
    await using service = await startNamed('any')
    await using edge = await startEdge({ ...MIRRORED, phase: 'syncing', monolith: monolith.url, service: service.url })
    await send(`${edge.url}/items/1`)
    await send(`${edge.url}/items`, { method: 'POST', body: '{}' })
    edge.source.move('catalog', 'canary')
    await send(`${edge.url}/items`, { method: 'POST', body: '{}' })
    await send(`${edge.url}/items/1`)
    await until('the last one matched', () => shadowOf(edge).matched === 1)
    expect(service.requests.map(({ method }) => method)).toEqual(['GET'])
  })
})

describe('what is not compared is counted with its reason', () => {
  it.each([
    ['too_large', { body: 'x'.repeat(200) }, { body: 'x' }],
    ['too_large', { body: 'x' }, { body: 'x'.repeat(200) }],
    ['control_failed', { status: 500 }, {}],
    ['partial', { status: 304 }, {}],
    ['stream', { type: 'text/event-stream' }, {}],
  ])('%s', async (reason, control, candidate) => {
    const start = (answer: { body?: string; status?: number; type?: string }) =>
      startUpstream((_request, response) => {
        response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'text/plain' }).end(answer.body)
      })
    await using monolith = await start(control)
    await using service = await start(candidate)
    const limits = { shadow: { maxBodyBytes: 100 } }
    await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url, edge: limits })
    await send(`${edge.url}/items/1`)
    expect(await ignoredFor(edge)).toBe(reason)
  })
})

it('a service that does not answer differs from one that does', async () => {
  await using monolith = await startNamed('any')
  await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: 'http://127.0.0.1:1' })
  await send(`${edge.url}/items/1`)
  await until('it is counted', () => shadowOf(edge).mismatched === 1)
  expect(shadowOf(edge)).toMatchObject({ matched: 0, ignored: 0 })
})

describe('invariant 7: the user’s answer never waits for the shadow and is never changed by it', () => {
  it('with a service that hangs', async () => {
    await using monolith = await startNamed('monolith')
    await using service = await startUpstream(() => {})
    const limits = { shadow: { concurrency: 2, timeout: 2_000 } }
    await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url, edge: limits })

    const startedAt = performance.now()
    for (let i = 0; i < 20; i += 1) {
      expect((await send(`${edge.url}/items/${i}`)).text).toBe('{"name":"monolith"}')
    }
    expect(performance.now() - startedAt, 'twenty answers within one shadow’s timeout').toBeLessThan(2_000)

    await until('all are counted', () => shadowOf(edge).ignored + shadowOf(edge).mismatched === 20)
    const { text } = await send(`${edge.managementUrl}/metrics`)
    expect(text).toMatch(/reason="shed"\} 18/)
    expect(lackingMetrics('ficus_edge_shadow', text)).toEqual([])
    expect(shadowOf(edge).mismatched).toBe(2)
    expect(service.requests).toHaveLength(2)
  })

  it('with a service that breaks off, and one that answers something else', async () => {
    await using monolith = await startNamed('monolith')
    await using service = await startUpstream((request, response) => {
      if (request.url === '/items/1') request.socket.resetAndDestroy()
      else response.writeHead(500, { 'set-cookie': 'evil=1' }).end('no')
    })
    await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url })
    for (const id of [1, 2]) {
      const answer = await send(`${edge.url}/items/${id}`)
      expect([answer.status, answer.text, answer.headers['set-cookie']]).toEqual([
        200,
        '{"name":"monolith"}',
        undefined,
      ])
    }
    await until('both are counted', () => shadowOf(edge).mismatched === 2)
  })
})

it('invariant 9: counts a comparison for the epoch that it was decided in, though the capability moved meanwhile', async () => {
  const { promise: moved, resolve: goOn } = Promise.withResolvers<void>()
  await using monolith = await startNamed('same')
  await using service = await startUpstream(async (_request, response) => {
    await moved
    response.setHeader('content-type', 'application/json').end('{"name":"same"}')
  })
  await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url })
  await send(`${edge.url}/items/1`)
  await until('the service is asked', () => service.requests.length === 1)
  edge.source.move('catalog', 'canary')
  await send(`${edge.url}/items/2`)
  goOn()

  await until('both are compared', () => shadowOf(edge).matched === 2)
  const counts = edge.source.shadow
  expect(counts.map(({ epoch }) => epoch).sort()).toEqual([1, 2])
})

it('invariant 9: counts a comparison for the minute in which the service was asked, however late it answers', async () => {
  let now = 5 * 60_000
  const { promise: later, resolve: goOn } = Promise.withResolvers<void>()
  await using monolith = await startNamed('same')
  await using service = await startUpstream(async (_request, response) => {
    await later
    response.setHeader('content-type', 'application/json').end('{"name":"same"}')
  })
  await using edge = await startEdge({ ...MIRRORED, monolith: monolith.url, service: service.url, now: () => now })
  await send(`${edge.url}/items/1`)
  await until('the service is asked', () => service.requests.length === 1)
  now += 60_000
  goOn()

  await until('it is compared', () => shadowOf(edge).matched === 1)
  const minutes = edge.source.reports.flatMap(report => report.minutes).filter(({ shadow }) => shadow.length > 0)
  expect(minutes).toMatchObject([{ age: 60_000 }])
})
