import { parseRoute, type Route } from '@ficus/core/config/route'
import { describe, expect, it } from 'vitest'
import { RouteTable } from './table.ts'
import { readTarget } from './target.ts'

function table(capabilities: Readonly<Record<string, readonly string[]>>): RouteTable {
  const routes = (texts: readonly string[]) => ({ routes: texts.map(text => parsed(text)) })
  return new RouteTable(Object.fromEntries(Object.entries(capabilities).map(([name, texts]) => [name, routes(texts)])))
}

function parsed(text: string): Route {
  const route = parseRoute(text)
  if (typeof route === 'string') throw new Error(route)
  return route
}

function resolve(routes: RouteTable, method: string, raw: string) {
  const target = readTarget(raw)
  if (target === null) throw new Error(`not a path: ${raw}`)
  return routes.resolve(method, target)
}

const SHOP = table({
  catalog: ['GET /api/items/:id', 'GET /api/items', 'POST /api/items', 'GET /images/*'],
  orders: ['ANY /orders/*', 'GET /api/orders/:id'],
})

describe('RouteTable', () => {
  it.each([
    ['GET', '/api/items/7', 'catalog', 'GET /api/items/:id', true],
    ['HEAD', '/api/items/7', 'catalog', 'GET /api/items/:id', true],
    ['POST', '/api/items', 'catalog', 'POST /api/items', false],
    ['GET', '/api/items/', 'catalog', 'GET /api/items', true],
    ['GET', '/api/items?x=/orders/1', 'catalog', 'GET /api/items', true],
    ['PROPFIND', '/orders/7', 'orders', 'ANY /orders/*', false],
    ['GET', '/orders/7/lines/1', 'orders', 'ANY /orders/*', true],
    ['GET', '/api/it%65ms/7', 'catalog', 'GET /api/items/:id', true],
    ['GET', '/api/items/caf%E9', 'catalog', 'GET /api/items/:id', true],
    ['GET', `/api/items/${'x'.repeat(5_000)}`, 'catalog', 'GET /api/items/:id', true],
  ])('%s %s is of %s', (method, raw, capability, route, isRead) => {
    expect(resolve(SHOP, method, raw)).toEqual({ capability, route, isRead })
  })

  it.each([
    ['DELETE', '/api/items/7'],
    ['GET', '/api/items/7/reviews'],
    ['GET', '/API/items/7'],
    ['GET', '/'],
    ['GET', '/caf%E9'],
    ['GET', '/a/../b'],
    ['GET', '/api/items/../admin'],
    ['BREW', '/api/items'],
  ])('%s %s is the monolith’s', (method, raw) => {
    expect(resolve(SHOP, method, raw)).toBeNull()
  })

  it.each([
    ['GET', '/api/items/..%2f..%2fadmin'],
    ['GET', '/admin/%2E%2E/api/items'],
    ['GET', '/api%2fitems'],
    ['GET', '/api//items'],
    ['GET', '/api;v=1/items'],
    ['GET', '/api/items/a%2fb'],
    ['GET', '/images/../orders/7'],
    ['GET', '/images/..;/..;/orders/7'],
    ['GET', '/api\\items'],
  ])('%s %s could be two routes', (method, raw) => {
    expect(resolve(SHOP, method, raw)).toBe('ambiguous')
  })

  it('lets an odd target pass that means the same route to everybody', () => {
    expect(resolve(SHOP, 'GET', '/images/a//b')).toMatchObject({ capability: 'catalog' })
    expect(resolve(SHOP, 'GET', '/images/a%2Fb')).toMatchObject({ capability: 'catalog' })
  })

  it('prefers the route that names the method', () => {
    const routes = table({ all: ['ANY /x'], one: ['GET /x'] })
    expect(resolve(routes, 'GET', '/x')).toMatchObject({ capability: 'one' })
    expect(resolve(routes, 'HEAD', '/x')).toMatchObject({ capability: 'one' })
    expect(resolve(routes, 'POST', '/x')).toMatchObject({ capability: 'all' })
  })
})
