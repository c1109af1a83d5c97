import { parseRoute, type Route } from '@ficus/core/config/route'
import { describe, expect, it } from 'vitest'
import type { Pact } from '../pact/pact.ts'
import { slicePacts } from './slice-pacts.ts'

const routes = (...texts: string[]) =>
  texts.map((text): Route => {
    const route = parseRoute(text)
    if (typeof route === 'string') throw new Error(route)
    return route
  })

function pact(consumer: string, ...requests: string[]): Pact {
  const interactions = requests.map(request => {
    const [method = '', path = ''] = request.split(' ')
    const source = { description: request, request: { method, path }, response: { status: 200 } }
    return { description: request, states: [], method, path, source }
  })
  return { consumer, provider: 'store', specification: '3.0.0', interactions, messages: 0 }
}

/** The route that takes a request, where the capability has `texts`. */
function routeOf(request: string, ...texts: string[]): string | undefined {
  return slicePacts([pact('web', request)], routes(...texts)).interactions[0]?.route
}

describe('slicePacts', () => {
  it('takes the interactions of its own routes and counts the others', () => {
    const slice = slicePacts(
      [pact('web', 'GET /books/7', 'GET /carts/1', 'POST /books'), pact('phone', 'GET /books/8')],
      routes('GET /books/:id', 'POST /books'),
    )
    expect(slice.interactions.map(({ consumer, description, route }) => [consumer, description, route])).toEqual([
      ['web', 'GET /books/7', 'GET /books/:id'],
      ['web', 'POST /books', 'POST /books'],
      ['phone', 'GET /books/8', 'GET /books/:id'],
    ])
    expect(slice.elsewhere).toBe(1)
    expect(new Set(slice.interactions.map(({ id }) => id)).size).toBe(3)
  })

  it('lists the routes that no interaction takes', () => {
    const { unproven } = slicePacts(
      [pact('web', 'GET /books/7')],
      routes('GET /books/:id', 'GET /books', 'ANY /shelves/*'),
    )
    expect(unproven).toEqual(['GET /books', 'ANY /shelves/*'])
  })

  it('leaves a consumer out that asks for none of the routes', () => {
    const { pacts } = slicePacts([pact('web', 'GET /carts/1'), pact('phone', 'GET /books')], routes('GET /books'))
    expect(pacts.map(({ consumer }) => consumer)).toEqual(['phone'])
  })

  it('leaves an interaction to a more specific route of another capability', () => {
    const pacts = [pact('web', 'GET /books/bestsellers', 'GET /books/7')]
    const slice = slicePacts(pacts, routes('GET /books/:id'), routes('GET /books/bestsellers'))
    expect(slice.interactions.map(({ description }) => description)).toEqual(['GET /books/7'])
  })

  it.each([
    ['an encoded segment', 'GET /books/a%2Fb', 'GET /books/:id', 'GET /books/:id'],
    ['an escape that means the same', 'GET /b%6Foks', 'GET /books', 'GET /books'],
    ['one beside bytes that are not UTF-8', 'GET /%63%E9', 'GET /c:rest', 'GET /c:rest'],
    ['HEAD as GET', 'HEAD /books', 'GET /books', 'GET /books'],
    ['no other method', 'DELETE /books', 'GET /books', undefined],
  ])('reads a path as the edge does: %s', (_, request, text, route) => {
    expect(routeOf(request, text)).toBe(route)
  })

  describe('version', () => {
    const books = routes('GET /books/:id')

    it('is the same whatever the order of files, interactions and keys', () => {
      const [web, phone] = [pact('web', 'GET /books/7', 'GET /books/8'), pact('phone', 'GET /books/9')]
      const reversed = web.interactions.toReversed().map(interaction => ({
        ...interaction,
        source: Object.fromEntries(Object.entries(interaction.source).toReversed()),
      }))
      const one = slicePacts([web, phone], books).version
      expect(slicePacts([phone, { ...web, interactions: reversed }], books).version).toBe(one)
      expect(one).toMatch(/^[0-9a-f]{64}$/)
    })

    it('changes with what is asked, and not with what other routes are asked', () => {
      const { version } = slicePacts([pact('web', 'GET /books/7')], books)
      expect(slicePacts([pact('web', 'GET /books/8')], books).version).not.toBe(version)
      expect(slicePacts([pact('phone', 'GET /books/7')], books).version).not.toBe(version)
      expect(slicePacts([pact('web', 'GET /books/7', 'GET /carts')], books).version).toBe(version)
    })
  })
})
