import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { until } from '../testing/wire.ts'

it('hands on each part of an answer as it comes', async () => {
  const { promise: goOn, resolve: go } = Promise.withResolvers<void>()
  await using upstream = await startUpstream(async (_request, response) => {
    response.write('first')
    await goOn
    response.end('second')
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false }).end()
  const [answer]: IncomingMessage[] = await once(out, 'response')
  const [first] = await once(answer as IncomingMessage, 'data')
  expect(String(first), 'before the upstream wrote the rest').toBe('first')
  go()
  const [second] = await once(answer as IncomingMessage, 'data')
  expect(String(second)).toBe('second')
})

it('hands on headers before there is a body, as an event stream needs', async () => {
  await using upstream = await startUpstream((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false }).end()
  const [answer]: IncomingMessage[] = await once(out, 'response')
  expect(answer?.headers['content-type']).toBe('text/event-stream')
  out.destroy()
})

it('hands on each part of a request as it comes', async () => {
  const seen: string[] = []
  await using upstream = await startUpstream((incoming, response) => {
    incoming.on('data', chunk => seen.push(String(chunk))).on('end', () => response.end('done'))
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false, method: 'POST' })
  out.write('first')
  await until('the first part is upstream', () => seen.length === 1)
  out.end('second')
  await once(out, 'response')
  expect(seen).toEqual(['first', 'second'])
})

it('holds an upstream back while the client does not read', async () => {
  let written = 0
  const chunk = Buffer.alloc(64 * 1024)
  await using upstream = await startUpstream((_request, response) => {
    const write = () => {
      while (written < 64 * 1024 * 1024 && response.write(chunk)) written += chunk.length
      response.once('drain', write)
    }
    write()
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false }).end()
  const [answer]: IncomingMessage[] = await once(out, 'response')
  answer?.pause()
  let before = -1
  await until('the upstream stands still', async () => {
    const still = written === before
    before = written
    await new Promise(resolve => setTimeout(resolve, 100))
    return still
  })
  expect(written, 'what fits into the buffers on the way').toBeLessThan(32 * 1024 * 1024)
  out.destroy()
})
