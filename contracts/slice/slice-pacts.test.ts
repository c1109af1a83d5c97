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

  describe('matches as the edge’s router does', () => {
    it.each([
      [
        'the static path before the parameter',
        'GET /books/new',
        ['GET /books/:id', 'GET /books/new'],
        'GET /books/new',
      ],
      ['a parameter of one segment only', 'GET /books/7/pages', ['GET /books/:id'], undefined],
      ['the rest of a path', 'GET /books/7/pages/9', ['GET /books/*'], 'GET /books/*'],
      ['an encoded segment', 'GET /books/a%2Fb', ['GET /books/:id'], 'GET /books/:id'],
      ['an escape that means the same', 'GET /b%6Foks', ['GET /books'], 'GET /books'],
      ['bytes that are not UTF-8', 'GET /books/caf%E9', ['GET /books/:id'], 'GET /books/:id'],
      ['case apart', 'GET /Books', ['GET /books'], undefined],
      ['a trailing slash all the same', 'GET /books/', ['GET /books'], 'GET /books'],
      ['HEAD as GET', 'HEAD /books', ['GET /books'], 'GET /books'],
      ['HEAD itself first', 'HEAD /books', ['GET /books', 'HEAD /books'], 'HEAD /books'],
      ['ANY method', 'PURGE /books', ['ANY /books'], 'ANY /books'],
      ['a named method before ANY', 'GET /books', ['ANY /books', 'GET /books'], 'GET /books'],
      [
        'a static path of ANY before a parameter of GET',
        'GET /books/new',
        ['GET /books/:id', 'ANY /books/new'],
        'ANY /books/new',
      ],
      ['no other method', 'DELETE /books', ['GET /books'], undefined],
    ])('%s', (_, request, texts, route) => {
      expect(routeOf(request, ...texts)).toBe(route)
    })
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
