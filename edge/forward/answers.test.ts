import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { readAnswer, send } from '../testing/wire.ts'
import { privateCaching } from './headers.ts'

describe('answers without a body', () => {
  it('HEAD keeps the length of what GET would give', async () => {
    await using upstream = await startUpstream(
      (_request, response) => void response.setHeader('content-length', 42).end(),
    )
    await using edge = await startEdge({ monolith: upstream.url })
    const answer = await send(edge.url, { method: 'HEAD' })
    expect([answer.status, answer.headers['content-length'], answer.text]).toEqual([200, '42', ''])
    expect(upstream.requests[0]?.method).toBe('HEAD')
  })

  it.each([204, 304])('%i has none, and the connection goes on', async status => {
    await using upstream = await startUpstream(
      (_request, response) => void response.writeHead(status, { etag: '"1"' }).end(),
    )
    await using edge = await startEdge({ monolith: upstream.url })
    for (const _ of [1, 2]) {
      const answer = await send(edge.url)
      expect([answer.status, answer.headers.etag, answer.text]).toEqual([status, '"1"', ''])
      expect(answer.headers).not.toHaveProperty('transfer-encoding')
    }
  })
})

it('hands on every Set-Cookie, in order', async () => {
  const cookies = ['a=1; Path=/', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'a=3']
  await using upstream = await startUpstream(
    (_request, response) => void response.setHeader('set-cookie', cookies).end(),
  )
  await using edge = await startEdge({ monolith: upstream.url })
  expect((await send(edge.url)).headers['set-cookie']).toEqual(cookies)
})

describe('the edge’s own cookie', () => {
  async function firstAnswer(headers: Record<string, string | string[]>, path = '/items/1') {
    await using upstream = await startUpstream((_request, response) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      response.end()
    })
    await using edge = await startEdge({ monolith: upstream.url })
    return (await send(edge.url + path)).headers
  }

  it('goes beside the upstream’s', async () => {
    const { 'set-cookie': cookies } = await firstAnswer({ 'set-cookie': ['sid=1', 'cart=2'] })
    expect(cookies).toEqual(['sid=1', 'cart=2', expect.stringMatching(/^ficus_id=/)])
  })

  it('makes an answer private to caches, once', async () => {
    const headers = await firstAnswer({ 'cache-control': 'public, max-age=60, s-maxage=600' })
    expect(headers['cache-control']).toBe('private, max-age=60')
  })

  it('comes with no answer of another route', async () => {
    const headers = await firstAnswer({ 'cache-control': 'public' }, '/other')
    expect(headers['cache-control']).toBe('public')
    expect(headers).not.toHaveProperty('set-cookie')
  })

  it.each([
    [undefined, 'private'],
    ['', 'private'],
    ['no-store', 'no-store'],
    ['private, max-age=1', 'private, max-age=1'],
    ['max-age=60, must-revalidate', 'private, max-age=60, must-revalidate'],
    ['Public, S-MaxAge=1, proxy-revalidate', 'private'],
  ])('turns Cache-Control %j into %j', (value, expected) => {
    expect(privateCaching(value)).toBe(expected)
  })
})

it('hands on trailers', async () => {
  await using upstream = await startUpstream((_request, response) => {
    response.writeHead(200, { trailer: 'x-sum' }).write('body')
    response.addTrailers({ 'x-sum': 'abc' })
    response.end()
  })
  await using edge = await startEdge({ monolith: upstream.url })
  const answer = await send(edge.url, { headers: { te: 'trailers' } })
  expect(answer.trailers).toEqual({ 'x-sum': 'abc' })
})

it('hands on 103 Early Hints', async () => {
  await using upstream = await startUpstream((_request, response) => {
    response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] }, () => response.end('done'))
  })
  await using edge = await startEdge({ monolith: upstream.url })
  const hints: unknown[] = []
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof readAnswer>>>()
  request(edge.url, { agent: false })
    .on('information', info => hints.push(info.statusCode, info.headers.link))
    .on('response', answer => readAnswer(answer).then(resolve, reject))
    .end()
  expect((await promise).text).toBe('done')
  expect(hints).toEqual([103, '</a.css>; rel=preload, </b.js>; rel=preload'])
})
