import { Agent, request } from 'node:http'
import { mulberry32 } from '@ficus/deploy/testing/random'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { send, until } from '../testing/wire.ts'

it('outlives clients and upstreams that break off anywhere, and leaves nothing under way', {
  timeout: 60_000,
}, async () => {
  const random = mulberry32(7)
  await using upstream = await startUpstream((incoming, response) => {
    const fate = random()
    incoming.on('error', () => {})
    if (fate < 0.2) setTimeout(() => incoming.socket.resetAndDestroy(), random() * 10)
    else if (fate < 0.4) response.write('x'.repeat(random() * 100_000), () => incoming.socket.destroy())
    else if (fate < 0.5) response.writeHead(413).end('enough')
    else incoming.resume().on('end', () => response.end('x'.repeat(random() * 200_000)))
  })
  await using edge = await startEdge({ monolith: upstream.url, phase: 'shadowing', dials: { shadow: 50 } })
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })

  const one = () =>
    new Promise<void>(resolve => {
      const method = random() < 0.5 ? 'GET' : 'POST'
      const path = random() < 0.5 ? '/items/1' : '/items'
      const out = request(edge.url + path, { method, agent })
      out.on('error', () => {}).on('close', resolve)
      out.on('response', answer => answer.on('error', () => {}).resume())
      if (method === 'POST') out.write('y'.repeat(random() * 300_000))
      if (random() < 0.3) setTimeout(() => out.destroy(), random() * 10)
      else out.end()
    })
  for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 20 }, one))
  agent.destroy()

  await until('nothing is under way', async () =>
    (await send(`${edge.managementUrl}/metrics`)).text.includes('ficus_edge_in_flight 0\n'),
  )
  const traffic = () => edge.source.traffic.reduce((n, { requests }) => n + requests, 0)
  expect(traffic()).toBeGreaterThan(0)
})
