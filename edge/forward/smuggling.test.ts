import { describe, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startNamed } from '../testing/upstream.ts'
import { exchange, send } from '../testing/wire.ts'

/** One regression test for each advisory against this kind of proxy that could concern the edge. */
describe('requests that two servers would read differently', () => {
  it.each([
    ['two lengths (CVE-2026-1525)', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nContent-Length: 3\r\n\r\nbody'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a length that is none', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nbody'],
    ['a bare line feed', 'GET / HTTP/1.1\nhost: a\n\n'],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n b\r\n\r\n'],
    ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n'],
    ['no host', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['an absolute target', 'GET http://internal/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'],
    ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'],
  ])('are refused: %s', async (_what, bytes) => {
    await using monolith = await startNamed('monolith')
    await using edge = await startEdge({ monolith: monolith.url })
    expect(await exchange(edge.url, bytes)).toMatch(/^HTTP\/1.1 400 /)
    expect(monolith.requests).toHaveLength(0)
  })
})

describe('a path that leads out of a capability’s routes (GHSA-2q7r-29rg-6m5h, GHSA-v2v2-hph8-q5xp)', () => {
  it.each([
    '/images/%2E%2E/admin',
    '/images/..%2fadmin',
    '/images/..%5cadmin',
    '/images/..\\admin',
    '/images/..;/admin',
    '/images/x/../../admin',
    '/items/%2e%2e%2fadmin',
  ])('never reaches the service: %s', async target => {
    await using monolith = await startNamed('monolith')
    await using service = await startNamed('service')
    await using edge = await startEdge({
      monolith: monolith.url,
      service: service.url,
      phase: 'extracted',
      routes: ['GET /images/*', 'GET /items/:id'],
    })
    const answer = await exchange(edge.url, `GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
    expect(service.requests).toHaveLength(0)
  })
})

it('keeps what it learnt of one upstream from another (GHSA-v574-6498-x57v)', async () => {
  await using monolith = await startNamed('monolith')
  await using service = await startNamed('service')
  await using edge = await startEdge({ monolith: monolith.url, service: service.url, phase: 'extracted' })
  for (const _ of [1, 2]) {
    expect((await send(`${edge.url}/items/1`)).text).toContain('service')
    expect((await send(`${edge.url}/items/1/x`)).text).toContain('monolith')
  }
})

describe('methods', () => {
  it.each(['OPTIONS', 'PATCH', 'DELETE', 'PROPFIND', 'MKCOL', 'REPORT', 'QUERY'])('%s passes', async method => {
    await using monolith = await startNamed('monolith')
    await using edge = await startEdge({ monolith: monolith.url })
    expect((await send(edge.url, { method })).status).toBe(200)
    expect(monolith.requests[0]?.method).toBe(method)
  })

  it('TRACE is refused', async () => {
    await using monolith = await startNamed('monolith')
    await using edge = await startEdge({ monolith: monolith.url })
    expect((await send(edge.url, { method: 'TRACE' })).status).toBe(405)
    expect(monolith.requests).toHaveLength(0)
  })

  it('CONNECT opens no tunnel', async () => {
    await using monolith = await startNamed('monolith')
    await using edge = await startEdge({ monolith: monolith.url })
    expect(await exchange(edge.url, 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n')).toBe('')
  })
})
