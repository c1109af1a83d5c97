import { describe, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { send } from '../testing/wire.ts'
import { Peers } from './peer.ts'

const CLAIMS = {
  host: 'shop.example',
  'x-forwarded-for': '6.6.6.6',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-port': '443',
  'x-real-ip': '6.6.6.6',
  forwarded: 'for=6.6.6.6',
}

async function forwardedBy(trustProxy: string[]) {
  await using upstream = await startUpstream((_request, response) => void response.end())
  await using edge = await startEdge({ monolith: upstream.url, edge: { trustProxy } })
  await send(edge.url, { headers: CLAIMS })
  const { connection: _, ...headers } = upstream.requests[0]?.headers ?? {}
  return headers
}

describe('X-Forwarded-*', () => {
  it('is overwritten from the socket, so that a client cannot choose its address (CVE-2026-3635)', async () => {
    expect(await forwardedBy([])).toEqual({
      host: 'shop.example',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.example',
    })
  })

  it.each([['127.0.0.1'], ['127.0.0.0/8']])('is believed of a trusted proxy and added to: %s', async trusted => {
    expect(await forwardedBy([trusted])).toEqual({ ...CLAIMS, 'x-forwarded-for': '6.6.6.6, 127.0.0.1' })
  })

  it('is not believed of a proxy that is not on the list', async () => {
    expect(await forwardedBy(['10.0.0.0/8', '::1'])).toMatchObject({ 'x-forwarded-for': '127.0.0.1' })
  })
})

it.each(['all', '10.0.0.0/33', '10.0.0.0/x', '::1/129', ''])('refuses a trusted proxy that is none: %j', entry => {
  expect(() => new Peers([entry])).toThrow(/edge\.trustProxy\[0\]/)
})

it('replaces the upstream’s own origin in Location by the one that the client uses', async () => {
  let location = ''
  await using upstream = await startUpstream((_request, response) => void response.writeHead(302, { location }).end())
  await using edge = await startEdge({ monolith: upstream.url })
  const locationOf = async () => (await send(edge.url, { headers: { host: 'shop.example' } })).headers.location

  location = `${upstream.url}/cart?x=1`
  expect(await locationOf()).toBe('http://shop.example/cart?x=1')
  location = upstream.url
  expect(await locationOf()).toBe('http://shop.example')
  location = '/cart'
  expect(await locationOf()).toBe('/cart')
  location = `${upstream.url}.evil.example/cart`
  expect(await locationOf()).toBe(`${upstream.url}.evil.example/cart`)
  location = 'https://pay.example/'
  expect(await locationOf()).toBe('https://pay.example/')
})
