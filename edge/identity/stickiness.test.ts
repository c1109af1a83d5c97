import { Agent } from 'node:http'
import { afterAll, expect, it } from 'vitest'
import { startEdge, type TestEdge } from '../testing/edge.ts'
import { startNamed } from '../testing/upstream.ts'
import { send } from '../testing/wire.ts'

/** Connections are kept, since these tests are about many requests. */
const agent = new Agent({ keepAlive: true, maxSockets: 16 })
afterAll(() => agent.destroy())

async function sideOf(edge: TestEdge, headers: Record<string, string>): Promise<unknown> {
  return (await send(`${edge.url}/items/1`, { headers, agent })).headers['x-ficus-side']
}

it('sends the dialled share of users to the service, and each of them always', async () => {
  await using monolith = await startNamed('monolith')
  await using service = await startNamed('service')
  await using edge = await startEdge({
    monolith: monolith.url,
    service: service.url,
    dials: { read: 25 },
    edge: { identity: [{ header: 'x-user' }] },
  })

  const users = Array.from({ length: 300 }, (_, i) => `user-${i}`)
  const first = await Promise.all(users.map(user => sideOf(edge, { 'x-user': user })))
  const second = await Promise.all(users.map(user => sideOf(edge, { 'x-user': user })))

  expect(second).toEqual(first)
  const share = first.filter(side => side === 'service').length / users.length
  // Within four standard deviations of a quarter.
  expect(share).toBeGreaterThan(0.25 - 4 * Math.sqrt((0.25 * 0.75) / users.length))
  expect(share).toBeLessThan(0.25 + 4 * Math.sqrt((0.25 * 0.75) / users.length))
})

it('moves nobody back when the dial goes up', async () => {
  await using upstream = await startNamed('any')
  await using edge = await startEdge({ monolith: upstream.url, edge: { identity: [{ header: 'x-user' }] } })
  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`)
  let before = new Set<string>()
  for (const percent of [0, 20, 50, 100]) {
    edge.flags.rollouts.set('ficus.catalog.read', percent)
    const sides = await Promise.all(users.map(user => sideOf(edge, { 'x-user': user })))
    const onService = new Set(users.filter((_, i) => sides[i] === 'service'))
    for (const user of before) expect(onService).toContain(user)
    before = onService
  }
  expect(before.size).toBe(users.length)
})

it('keeps an anonymous user’s side when they log in, on every edge', async () => {
  await using upstream = await startNamed('any')
  const keys = Array.from({ length: 40 }, (_, i) => `anonymous-${i}`)
  const options = {
    monolith: upstream.url,
    dials: { read: 50 },
    edge: { identity: [{ header: 'x-user' }] },
    newKey: () => keys.pop() ?? 'none left',
  }
  await using one = await startEdge(options)
  await using other = await startEdge(options)

  const kept: boolean[] = []
  const sides = new Set<unknown>()
  for (let visitor = 0; visitor < 40; visitor += 1) {
    const first = await send(`${one.url}/items/1`, { agent })
    const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const loggedIn = await sideOf(other, { cookie, 'x-user': `user-${visitor}` })
    sides.add(loggedIn)
    kept.push(loggedIn === first.headers['x-ficus-side'])
  }

  expect(sides.size, 'visitors on both sides').toBe(2)
  expect(kept).not.toContain(false)
})

it('gives the cookie only on routes where a dial decides, and only once', async () => {
  await using upstream = await startNamed('any')
  await using edge = await startEdge({ monolith: upstream.url, phase: 'shadowing' })
  const cookieOf = async (path: string, headers = {}) =>
    (await send(edge.url + path, { headers })).headers['set-cookie']

  expect(await cookieOf('/items/1'), 'no dial decides in shadowing').toBeUndefined()
  edge.source.move('catalog', 'canary')
  expect(await cookieOf('/other')).toBeUndefined()
  const [given = ''] = (await cookieOf('/items/1')) ?? []
  expect(given).toMatch(/^ficus_id=/)
  expect(await cookieOf('/items/1', { cookie: given.split(';')[0] })).toBeUndefined()
})
