import { once } from 'node:events'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { readAnswer, send, until } from '../testing/wire.ts'

it('lets what is under way end, takes nothing more, and says so', async () => {
  const waiting: ServerResponse[] = []
  await using upstream = await startUpstream((_request, response) => waiting.push(response))
  await using edge = await startEdge({ monolith: upstream.url })
  const underWay = once(request(`${edge.url}/items/1`, { agent: false }).end(), 'response')
  await until('the upstream has it', () => waiting.length === 1)
  expect((await send(`${edge.managementUrl}/ready`)).status).toBe(200)

  const drained = edge.edge.drain()
  const ready = await send(`${edge.managementUrl}/ready`)
  expect([ready.status, JSON.parse(ready.text)]).toEqual([
    503,
    expect.objectContaining({ ready: false, draining: true }),
  ])
  await expect(send(edge.url)).rejects.toThrow('ECONNREFUSED')

  waiting[0]?.end('done')
  const [answer]: IncomingMessage[] = await underWay
  expect(answer?.headers.connection).toBe('close')
  expect((await readAnswer(answer as IncomingMessage)).text).toBe('done')
  await drained
  expect(edge.source.traffic).toEqual([{ capability: 'catalog', side: 'monolith', requests: 1, errors: 0 }])
})

it('answers while load balancers learn that it goes, for edge.timeouts.grace', async () => {
  await using upstream = await startUpstream((_request, response) => void response.end('done'))
  const timeouts = { grace: 1_000, drain: 100 }
  await using edge = await startEdge({ monolith: upstream.url, edge: { timeouts } })
  const agent = new Agent({ keepAlive: true })
  await send(edge.url, { agent })

  const start = performance.now()
  const drained = edge.edge.drain().then(() => performance.now() - start)
  expect((await send(`${edge.managementUrl}/ready`)).status).toBe(503)
  const [late, onOpenConnection] = await Promise.all([send(edge.url), send(edge.url, { agent })])

  for (const answer of [late, onOpenConnection]) {
    expect([answer.status, answer.text, answer.headers.connection]).toEqual([200, 'done', 'close'])
  }
  expect(await drained).toBeGreaterThanOrEqual(timeouts.grace - 1)
  await expect(send(edge.url)).rejects.toThrow('ECONNREFUSED')
  agent.destroy()
})

it('stops at once where it is stopped within the grace', async () => {
  await using upstream = await startUpstream(() => {})
  await using edge = await startEdge({ monolith: upstream.url, edge: { timeouts: { grace: 60_000 } } })
  const drained = edge.edge.drain()
  await edge.edge.stop()
  await drained
})

it('answers 503 on a connection that is still open', async () => {
  const waiting: ServerResponse[] = []
  await using upstream = await startUpstream((_request, response) => waiting.push(response))
  await using edge = await startEdge({ monolith: upstream.url })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const first = once(request(edge.url, { agent }).end(), 'response')
  await until('the upstream has it', () => waiting.length === 1)
  const socket = connect(Number(new URL(edge.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n')
  await until('the edge has accepted it', async () => (await edge.edge.connections()) === 2)

  const drained = edge.edge.drain()
  socket.write('\r\n')
  const [text] = await once(socket, 'data')
  expect(String(text)).toMatch(/^HTTP\/1.1 503 .*connection: close.*FICUS_EDGE_DRAINING/is)

  waiting[0]?.end()
  await first
  await drained
  agent.destroy()
})

it('waits no longer than timeouts.drain', async () => {
  await using upstream = await startUpstream(() => {})
  await using edge = await startEdge({ monolith: upstream.url, edge: { timeouts: { drain: 100 } } })
  const underWay = send(edge.url)
  underWay.catch(() => {})
  await until('the upstream has it', () => upstream.requests.length === 1)

  await edge.edge.drain()
  await edge.edge.stop()
  await expect(underWay).rejects.toThrow()
})

it('stops twice, and stops when it never started', async () => {
  await using upstream = await startUpstream(() => {})
  await using edge = await startEdge({ monolith: upstream.url })
  await edge.edge.stop()
  await edge.edge.stop()
})

it('says whose port is taken', async () => {
  await using upstream = await startUpstream(() => {})
  const listen = { host: '127.0.0.1', port: upstream.port }
  await expect(startEdge({ monolith: upstream.url, edge: { listen } })).rejects.toMatchObject({
    code: 'FICUS_PORT_TAKEN',
    message: expect.stringContaining(`edge.listen: something listens on 127.0.0.1:${upstream.port}`),
  })
})
