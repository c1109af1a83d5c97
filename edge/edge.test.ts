import { expect, it } from 'vitest'
import { startEdge } from './testing/edge.ts'
import { startNamed } from './testing/upstream.ts'
import { send } from './testing/wire.ts'

it('sends what belongs to no capability to the monolith', async () => {
  await using monolith = await startNamed('monolith')
  await using edge = await startEdge({ monolith: monolith.url })

  const answer = await send(`${edge.url}/anything?x=1`)

  expect(JSON.parse(answer.text)).toEqual({ name: 'monolith' })
  expect(answer.headers['x-ficus-side']).toBe('monolith')
  expect(monolith.requests[0]?.url).toBe('/anything?x=1')
})

it('sends a capability whose phase is extracted to its service', async () => {
  await using monolith = await startNamed('monolith')
  await using service = await startNamed('service')
  await using edge = await startEdge({ monolith: monolith.url, service: service.url, phase: 'extracted' })

  const read = await send(`${edge.url}/items/1`)
  const write = await send(`${edge.url}/items`, { method: 'POST', body: '{}' })

  expect(JSON.parse(read.text)).toEqual({ name: 'service' })
  expect(JSON.parse(write.text)).toEqual({ name: 'service' })
  expect(write.headers['x-ficus-side']).toBe('service')
})
