import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream, type TestUpstream } from '../testing/upstream.ts'
import { exchange, open, send, until } from '../testing/wire.ts'

const UPGRADE = [
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol: one, two',
].join('\r\n')

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Answers 101 and then echoes every byte, as the edge must carry them without reading them. */
async function startEcho(): Promise<TestUpstream> {
  const upstream = await startUpstream((_request, response) => void response.writeHead(403).end('no socket here'))
  upstream.server.on('upgrade', (request, socket, head) => {
    upstream.requests.push(request)
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64')
    socket.on('error', () => socket.destroy())
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
        `sec-websocket-protocol: two\r\nsec-websocket-accept: ${accept}\r\n\r\nhello`,
    )
    socket.write(head)
    socket.pipe(socket)
  })
  return upstream
}

describe('a WebSocket', () => {
  it('is carried both ways once the upstream has agreed', async () => {
    await using upstream = await startEcho()
    await using edge = await startEdge({ monolith: upstream.url })
    const socket = await open(edge.url)
    let got = ''
    socket.on('data', chunk => {
      got += chunk.toString('latin1')
    })

    socket.write(
      `GET /chat?room=1 HTTP/1.1\r\nhost: shop.example\r\norigin: http://shop.example\r\n${UPGRADE}\r\n\r\nearly`,
    )
    await until('the early bytes come back', () => got.endsWith('helloearly'))
    const binary = Buffer.from([0, 255, 128, 10, 13])
    socket.write(binary)
    await until('the bytes come back', () => got.endsWith(binary.toString('latin1')))

    const [head = ''] = got.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n/)
    expect(head.toLowerCase()).toContain('sec-websocket-protocol: two')
    expect(head).toContain('x-ficus-side: monolith')
    expect(upstream.requests[0]?.url).toBe('/chat?room=1')
    expect(upstream.requests[0]?.headers).toMatchObject({
      host: 'shop.example',
      origin: 'http://shop.example',
      'sec-websocket-protocol': 'one, two',
      'x-forwarded-for': '127.0.0.1',
    })
    socket.destroy()
  })

  it('ends at one end when it ends at the other', async () => {
    await using upstream = await startEcho()
    let ended = false
    upstream.server.on('upgrade', (_request, socket) =>
      socket.on('close', () => {
        ended = true
      }),
    )
    await using edge = await startEdge({ monolith: upstream.url })
    const socket = await open(edge.url)
    socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${UPGRADE}\r\n\r\n`)
    await once(socket, 'data')
    socket.destroy()
    await until('the upstream’s end closes', () => ended)
  })

  it('gets the upstream’s own refusal, and no second request on its connection', async () => {
    await using upstream = await startUpstream(
      (_request, response) => void response.writeHead(403).end('no socket here'),
    )
    await using edge = await startEdge({ monolith: upstream.url })
    const smuggled = `GET /admin HTTP/1.1\r\nhost: a\r\n\r\n`
    const answer = await exchange(edge.url, `GET / HTTP/1.1\r\nhost: a\r\n${UPGRADE}\r\n\r\n${smuggled}`)
    expect(answer).toMatch(/^HTTP\/1.1 403 Forbidden\r\n/)
    expect(answer).toContain('no socket here')
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/'])
  })

  it('goes where its route is decided to go, and nowhere by an odd path (GHSA-7hrw-592w-9wh2)', async () => {
    await using monolith = await startEcho()
    await using service = await startEcho()
    await using edge = await startEdge({
      monolith: monolith.url,
      service: service.url,
      phase: 'extracted',
      routes: ['GET /live/*'],
    })
    const socket = await open(edge.url)
    socket.write(`GET /live/1 HTTP/1.1\r\nhost: a\r\n${UPGRADE}\r\n\r\n`)
    await once(socket, 'data')
    expect([monolith.requests.length, service.requests.length]).toEqual([0, 1])
    socket.destroy()

    const answer = await exchange(edge.url, `GET /live/..%2fadmin HTTP/1.1\r\nhost: a\r\n${UPGRADE}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
  })

  it('gets 502 where nobody listens', async () => {
    await using edge = await startEdge({ monolith: 'http://127.0.0.1:1' })
    expect(await exchange(edge.url, `GET / HTTP/1.1\r\nhost: a\r\n${UPGRADE}\r\n\r\n`)).toMatch(/^HTTP\/1.1 502 /)
  })

  it('does not keep the edge from stopping', async () => {
    await using upstream = await startEcho()
    const edge = await startEdge({ monolith: upstream.url, edge: { timeouts: { drain: 50 } } })
    const socket = await open(edge.url)
    socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${UPGRADE}\r\n\r\n`)
    await once(socket, 'data')
    await edge.edge.drain()
    await edge.edge.stop()
    await until('the socket is closed', () => socket.destroyed || socket.readableEnded)
  })
})

it('ignores an offer of another protocol (h2c), which Java’s client makes with every request', async () => {
  await using upstream = await startUpstream((_request, response) => void response.end('plain'))
  await using edge = await startEdge({ monolith: upstream.url })
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' }
  expect((await send(edge.url, { headers })).text).toBe('plain')
})
