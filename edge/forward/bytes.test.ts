import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { exchange, send } from '../testing/wire.ts'

const echo = () =>
  startUpstream((request, response) => {
    response.setHeader('content-type', request.headers['content-type'] ?? 'text/plain')
    request.pipe(response)
  })

it.each([
  ['binary', 'application/octet-stream', randomBytes(200_000)],
  ['text that is not UTF-8', 'text/plain; charset=latin1', Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x00, 0xff])],
  ['broken JSON', 'application/json', Buffer.from('{"a":')],
  ['gzip', 'application/json', gzipSync('{"a":1}')],
  ['no media type at all', ';;;', Buffer.from('x')],
  ['a form', 'multipart/form-data; boundary=x', Buffer.from('--x\r\n\r\n\xff\r\n--x--\r\n', 'latin1')],
])('keeps every byte of a body: %s', async (_what, type, body) => {
  await using upstream = await echo()
  await using edge = await startEdge({ monolith: upstream.url })

  const withLength = await send(edge.url, { method: 'POST', headers: { 'content-type': type }, body })
  const chunked = await send(edge.url, {
    method: 'POST',
    headers: { 'content-type': type, 'transfer-encoding': 'chunked' },
    body,
  })

  expect(withLength.body.equals(body)).toBe(true)
  expect(chunked.body.equals(body)).toBe(true)
  expect(withLength.headers['content-type']).toBe(type)
})

it.each([
  '/caf%E9?q=%FF',
  '/a%2Fb/%2e%2e/./c//d;v=1?x=../%2f#',
  '/%252e%252e/',
  '/{"a"}|^`<>\\x',
  `/${'x'.repeat(8_000)}`,
  '/?',
  '/a?b?c#d',
])('forwards the raw target: %s', async target => {
  await using upstream = await echo()
  await using edge = await startEdge({ monolith: upstream.url })

  await exchange(edge.url, `GET ${target} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n`)

  expect(upstream.requests[0]?.url).toBe(target)
})

it('forwards the monolith’s base path in front of the target', async () => {
  await using upstream = await echo()
  await using edge = await startEdge({ monolith: `${upstream.url}/base/` })

  await send(`${edge.url}/items/1?x=1`)

  expect(upstream.requests[0]?.url).toBe('/base/items/1?x=1')
})

it('keeps header values that are not ASCII', async () => {
  await using upstream = await startUpstream((request, response) => {
    response.writeHead(200, ['x-name', String(request.headers['x-name'])]).end()
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const answer = await exchange(edge.url, 'GET / HTTP/1.1\r\nhost: a\r\nx-name: caf\xe9\r\nconnection: close\r\n\r\n')

  expect(upstream.requests[0]?.headers['x-name']).toBe('caf\u00e9')
  expect(answer).toContain('x-name: caf\xe9')
})

it.each([
  ['All Good', 'HTTP/1.1 200 All Good'],
  ['Tr\xe8s bien', 'HTTP/1.1 200 OK'],
])('hands on a reason phrase where it is ASCII: %s', async (phrase, first) => {
  await using upstream = await startUpstream((_request, response) => void response.writeHead(200, phrase).end())
  await using edge = await startEdge({ monolith: upstream.url })

  const answer = await exchange(edge.url, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')

  expect(answer.split('\r\n')[0]).toBe(first)
})
