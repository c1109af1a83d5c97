import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startRaw, startUpstream } from '../testing/upstream.ts'
import { exchange, send } from '../testing/wire.ts'

async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

const code = (text: string): string => JSON.parse(text).error.code

describe('an upstream that gives no answer', () => {
  it('refuses: 502', async () => {
    await using edge = await startEdge({ monolith: await closedPort() })
    const answer = await send(edge.url, { method: 'POST', body: 'x'.repeat(100_000) })
    expect(answer.status).toBe(502)
    expect(JSON.parse(answer.text)).toEqual({
      error: { code: 'FICUS_UPSTREAM_REFUSED', message: 'the monolith refused the connection' },
    })
    expect(answer.headers['x-ficus-side']).toBe('monolith')
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  it('hangs: 504', async () => {
    await using upstream = await startUpstream(() => {})
    await using edge = await startEdge({ monolith: upstream.url, edge: { timeouts: { headers: 300 } } })
    const answer = await send(edge.url)
    expect([answer.status, code(answer.text)]).toEqual([504, 'FICUS_UPSTREAM_TIMEOUT'])
  })

  it('closes: 502', async () => {
    await using upstream = await startRaw(socket => socket.end())
    await using edge = await startEdge({ monolith: upstream.url })
    const answer = await send(edge.url)
    expect([answer.status, code(answer.text)]).toEqual([502, 'FICUS_UPSTREAM_RESET'])
  })

  it('resets: 502', async () => {
    await using upstream = await startRaw(socket => socket.resetAndDestroy())
    await using edge = await startEdge({ monolith: upstream.url })
    const answer = await send(edge.url, { method: 'POST', body: 'x' })
    expect([answer.status, code(answer.text)]).toEqual([502, 'FICUS_UPSTREAM_RESET'])
  })

  it.each([
    ['is not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['has a broken header', 'HTTP/1.1 200 OK\r\nbad header\r\n\r\n'],
    ['has two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    [
      'has a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ],
  ])('or one that %s: 502', async (_what, bytes) => {
    await using upstream = await startRaw(socket => void socket.end(bytes))
    await using edge = await startEdge({ monolith: upstream.url })
    const answer = await send(edge.url)
    expect([answer.status, code(answer.text)]).toEqual([502, 'FICUS_UPSTREAM_INVALID'])
  })
})

it('asks an upstream once, whatever it says', async () => {
  let asked = 0
  await using upstream = await startUpstream((_request, response) => {
    asked += 1
    response.writeHead(503, { 'retry-after': '1' }).end('busy')
  })
  await using edge = await startEdge({ monolith: upstream.url })
  const answer = await send(edge.url)
  expect([answer.status, answer.text, answer.headers['retry-after'], asked]).toEqual([503, 'busy', '1', 1])
})

describe('an upstream that breaks off within the body', () => {
  it.each([
    ['a length', 'content-length: 10\r\n\r\nhalf', 'end'],
    ['a length, by a reset', 'content-length: 10\r\n\r\nhalf', 'resetAndDestroy'],
    ['chunks', 'transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'end'],
    ['chunks, by a reset', 'transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'resetAndDestroy'],
    ['neither, by a reset', '\r\nhalf', 'resetAndDestroy'],
  ] as const)('with %s never gives an answer that looks whole', async (_framing, rest, end) => {
    await using upstream = await startRaw(socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`, () => setTimeout(() => socket[end](), 50))
    })
    await using edge = await startEdge({ monolith: upstream.url })

    await expect(send(`${edge.url}/items/1`)).rejects.toThrow(/aborted|ECONNRESET|socket hang up/)
    await expect
      .poll(() => edge.source.traffic)
      .toEqual([{ capability: 'catalog', side: 'monolith', requests: 1, errors: 1 }])
  })

  it('cuts an HTTP/1.0 client off with a reset, since a plain end would look whole to it', async () => {
    await using upstream = await startRaw(socket => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n', () =>
        setTimeout(() => socket.end(), 50),
      )
    })
    await using edge = await startEdge({ monolith: upstream.url })

    await expect(exchangeOrError(edge.url, 'GET / HTTP/1.0\r\n\r\n')).resolves.toBe('ECONNRESET')
  })
})

async function exchangeOrError(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(bytes)
  socket.resume()
  try {
    await once(socket, 'end')
    return 'ended'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'error'
  } finally {
    socket.destroy()
  }
}

it('answers a request that is not HTTP itself', async () => {
  await using upstream = await startUpstream((_request, response) => void response.end())
  await using edge = await startEdge({ monolith: upstream.url })
  const answer = await exchange(edge.url, 'NONSENSE\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
  expect(code(answer.split('\r\n\r\n')[1] ?? '')).toBe('FICUS_REQUEST_INVALID')
  expect(upstream.requests).toHaveLength(0)
})
