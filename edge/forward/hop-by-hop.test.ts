import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startRaw, startUpstream } from '../testing/upstream.ts'
import { exchange, send } from '../testing/wire.ts'

it('keeps a request’s hop-by-hop headers from the upstream', async () => {
  await using upstream = await startUpstream((_request, response) => void response.end())
  await using edge = await startEdge({ monolith: upstream.url })

  await exchange(
    edge.url,
    [
      'GET / HTTP/1.1',
      'host: shop.example',
      'connection: close, X-Secret, te',
      'keep-alive: timeout=5',
      'proxy-connection: keep-alive',
      'proxy-authorization: Basic eDp5',
      'te: trailers',
      'trailer: x-sum',
      'upgrade: h2c',
      'http2-settings: AAMAAABk',
      'x-secret: 1',
      'x-ficus-shadow: 1',
      'x-kept: 1',
      '\r\n',
    ].join('\r\n'),
  )

  const { connection, host, ...rest } = upstream.requests[0]?.headers ?? {}
  expect(host).toBe('shop.example')
  expect(connection, 'the edge’s own').toBe('keep-alive')
  expect(rest).toEqual({
    'x-kept': '1',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'shop.example',
    'x-forwarded-proto': 'http',
  })
})

it('lets Connection strip nothing that the edge or the framing needs', async () => {
  await using upstream = await startUpstream((request, response) => void request.pipe(response))
  await using edge = await startEdge({ monolith: upstream.url })

  const answer = await exchange(
    edge.url,
    'POST / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 4\r\n' +
      'connection: close, host, content-length, x-forwarded-for, x-forwarded-proto\r\n\r\nbody',
  )

  expect(answer).toContain('body')
  expect(upstream.requests[0]?.headers).toMatchObject({
    host: 'shop.example',
    'content-length': '4',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
  })
})

it('keeps an answer’s hop-by-hop headers from the client', async () => {
  await using upstream = await startRaw(
    socket =>
      void socket.end(
        [
          'HTTP/1.1 200 OK',
          'x-before: 1',
          'Connection: close, X-Secret, X-Before, content-length',
          'Keep-Alive: timeout=99',
          'Proxy-Authenticate: Basic',
          'Upgrade: h2c',
          'X-Secret: 1',
          'X-Ficus-Side: service',
          'X-Kept: 1',
          'Content-Length: 2',
          '',
          'ok',
        ].join('\r\n'),
      ),
  )
  await using edge = await startEdge({ monolith: upstream.url })

  const answer = await send(edge.url)

  const { date: _date, ...headers } = answer.headers
  expect(headers).toEqual({
    'x-kept': '1',
    'content-length': '2',
    'x-ficus-side': 'monolith',
    connection: 'close',
  })
  expect(answer.text).toBe('ok')
})

it('leaves x-ficus-side out where the config says so', async () => {
  await using upstream = await startUpstream((_request, response) => void response.end())
  await using edge = await startEdge({ monolith: upstream.url, edge: { sideHeader: false } })
  expect((await send(edge.url)).headers).not.toHaveProperty('x-ficus-side')
})

it('frames an answer for the client anew, whatever frames it upstream', async () => {
  await using upstream = await startRaw(socket => void socket.end('HTTP/1.0 200 OK\r\nx-kept: 1\r\n\r\nuntil the end'))
  await using edge = await startEdge({ monolith: upstream.url })
  const answer = await send(edge.url)
  expect([answer.text, answer.headers['transfer-encoding']]).toEqual(['until the end', 'chunked'])
})
