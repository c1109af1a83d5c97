import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { send, until } from '../testing/wire.ts'

it('ends the upstream’s work when the client leaves before the answer', async () => {
  let closed = false
  await using upstream = await startUpstream((incoming, response) => {
    response.on('close', () => {
      closed = !response.writableFinished
    })
    incoming.resume()
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false })
    .on('error', () => {})
    .end()
  await until('the upstream has the request', () => upstream.requests.length === 1)
  out.destroy()

  await until('the upstream sees the client leave', () => closed)
})

it('ends the upstream’s work when the client leaves within the answer', async () => {
  let closed = false
  await using upstream = await startUpstream((_incoming, response) => {
    response.on('close', () => {
      closed = !response.writableFinished
    })
    response.write('first')
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false })
    .on('error', () => {})
    .end()
  const [answer]: IncomingMessage[] = await once(out, 'response')
  answer?.on('error', () => {})
  out.destroy()

  await until('the upstream sees the client leave', () => closed)
})

it('ends the upstream’s work when the client leaves within its own upload', async () => {
  let aborted = false
  await using upstream = await startUpstream(incoming => {
    incoming.resume().on('error', () => {
      aborted = true
    })
  })
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(edge.url, { agent: false, method: 'POST' }).on('error', () => {})
  out.write('first')
  await until('the upstream has the request', () => upstream.requests.length === 1)
  out.destroy()

  await until('the upstream sees the client leave', () => aborted)
})

it('counts a client that left as abandoned, and not as an error of the upstream', async () => {
  await using upstream = await startUpstream(() => {})
  await using edge = await startEdge({ monolith: upstream.url })

  const out = request(`${edge.url}/items/1`, { agent: false })
    .on('error', () => {})
    .end()
  await until('the upstream has the request', () => upstream.requests.length === 1)
  out.destroy()

  await until('it is reported', () => edge.source.traffic.length > 0)
  const traffic = edge.source.traffic
  expect(traffic).toEqual([{ capability: 'catalog', side: 'monolith', requests: 1, errors: 0 }])
  const { text } = await send(`${edge.managementUrl}/metrics`)
  expect(text).toMatch(/ficus_edge_requests_total\{.*status="abandoned"\} 1/)
})
