import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { readAnswer, send } from '../testing/wire.ts'

const MB = 1024 * 1024

const quiet = (milliseconds: number): Promise<true> => sleep(milliseconds, true as const)

describe.each([
  ['with its length', {}],
  ['in chunks', { 'transfer-encoding': 'chunked' }],
])('a body %s', (_framing, headers) => {
  it('of 50 MB passes whole', { timeout: 30_000 }, async () => {
    await using upstream = await startUpstream((incoming, response) => {
      const hash = createHash('sha256')
      incoming.on('data', chunk => hash.update(chunk)).on('end', () => response.end(hash.digest('hex')))
    })
    await using edge = await startEdge({ monolith: upstream.url })
    const chunk = randomBytes(MB)
    const hash = createHash('sha256')

    const length = 'transfer-encoding' in headers ? {} : { 'content-length': 50 * MB }
    const out = request(edge.url, { agent: false, method: 'PUT', headers: { ...headers, ...length } })
    const answered = once(out, 'response')
    for (let sent = 0; sent < 50; sent += 1) {
      hash.update(chunk)
      if (!out.write(chunk)) await once(out, 'drain')
    }
    out.end()
    const [answer]: IncomingMessage[] = await answered

    expect((await readAnswer(answer as IncomingMessage)).text).toBe(hash.digest('hex'))
  })

  it('is held back while the upstream does not read', async () => {
    await using upstream = await startUpstream(incoming => void incoming.on('error', () => {}))
    await using edge = await startEdge({ monolith: upstream.url, edge: { maxBodyBytes: 500 * MB } })
    const length = 'transfer-encoding' in headers ? {} : { 'content-length': 200 * MB }
    const out = request(edge.url, { agent: false, method: 'PUT', headers: { ...headers, ...length } })
    out.on('error', () => {})
    const chunk = Buffer.alloc(MB)

    let sent = 0
    let stuck = false
    while (!stuck && sent < 200) {
      sent += 1
      if (!out.write(chunk)) stuck = await Promise.race([once(out, 'drain').then(() => false), quiet(500)])
    }

    expect(sent, 'MB that fit into the buffers of three sockets').toBeLessThan(40)
    out.destroy()
  })

  it('that is larger than the limit gets 413', async () => {
    await using upstream = await startUpstream((incoming, response) => {
      incoming
        .on('error', () => {})
        .resume()
        .on('end', () => response.end('all of it'))
    })
    await using edge = await startEdge({ monolith: upstream.url, edge: { maxBodyBytes: 100_000 } })

    const fits = await send(edge.url, { method: 'POST', headers, body: Buffer.alloc(100_000) })
    const tooLarge = await send(edge.url, { method: 'POST', headers, body: Buffer.alloc(1_000_000) })

    expect([fits.status, fits.text]).toEqual([200, 'all of it'])
    expect(tooLarge.status).toBe(413)
    expect(JSON.parse(tooLarge.text).error.message).toContain('100000 bytes')
  })
})

describe('Expect: 100-continue', () => {
  it('is answered once the upstream takes the body', async () => {
    await using upstream = await startUpstream((incoming, response) => void incoming.pipe(response))
    await using edge = await startEdge({ monolith: upstream.url })

    const headers = { expect: '100-continue', 'content-length': 4 }
    const out = request(edge.url, { agent: false, method: 'POST', headers })
    out.flushHeaders()
    await once(out, 'continue')
    out.end('body')
    const [answer]: IncomingMessage[] = await once(out, 'response')

    expect((await readAnswer(answer as IncomingMessage)).text).toBe('body')
    expect(upstream.requests[0]?.headers).not.toHaveProperty('expect')
  })

  it('gets the refusal, and not the invitation, for a body that is too large', async () => {
    await using upstream = await startUpstream((_incoming, response) => void response.end())
    await using edge = await startEdge({ monolith: upstream.url, edge: { maxBodyBytes: 10 } })
    let invited = false

    const headers = { expect: '100-continue', 'content-length': 1_000 }
    const out = request(edge.url, { agent: false, method: 'POST', headers }).on('error', () => {})
    out.on('continue', () => {
      invited = true
    })
    out.flushHeaders()
    const [answer]: IncomingMessage[] = await once(out, 'response')

    expect([answer?.statusCode, invited]).toEqual([413, false])
    out.destroy()
  })
})

it('brings a client its early answer while it still uploads', async () => {
  await using upstream = await startUpstream((_incoming, response) => void response.writeHead(401).end('log in first'))
  await using edge = await startEdge({ monolith: upstream.url })

  const answer = await send(edge.url, { method: 'POST', body: Buffer.alloc(8 * MB) })

  expect([answer.status, answer.text]).toEqual([401, 'log in first'])
})
