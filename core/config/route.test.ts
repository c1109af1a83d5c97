import { expect, it } from 'vitest'
import { claimTheSame, isRead, parseRoute, type Route, routeName } from './route.ts'

function route(text: string, kind: Route['kind'] = null): Route {
  const parsed = parseRoute(text, kind)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

it.each(['GET /', 'GET /api/products/:id', 'ANY /admin/*', 'DELETE /files/:name.:extension', 'GET /v1/things::cancel'])(
  'reads %s and names it as it was written',
  text => {
    expect(routeName(route(text))).toBe(text)
  },
)

it('reads a route with more space than it needs', () => {
  expect(route('  GET   /a ')).toEqual({ method: 'GET', path: '/a', kind: null })
})

it.each([
  ['', '"" is not a method and a path'],
  ['/a', '"/a" is not a method and a path'],
  ['GET a', '"GET a" is not a method and a path'],
  ['GET http://host/a', 'is not a method and a path'],
  ['GET /a b', 'is not a method and a path'],
  ['get /a', 'get is not one of GET, HEAD'],
  ['TRACE /a', 'TRACE is not one of'],
  ['GET /a/*/b', 'in /a/*/b the * must be the last character'],
  ['GET /a**', 'the * must be the last character'],
  ['GET /a?b=1', 'holds a query or a fragment'],
  ['GET /a#b', 'holds a query or a fragment'],
  ['GET /a/:', 'in /a/: a parameter has no name'],
  ['GET /a/:/b', 'a parameter has no name'],
])('invariant 13: says what is wrong with %j', (text, says) => {
  expect(parseRoute(text)).toContain(says)
})

it.each<[string, Route['kind'], string, boolean]>([
  ['GET /a', null, 'GET', true],
  ['GET /a', null, 'HEAD', true],
  ['ANY /a', null, 'OPTIONS', true],
  ['ANY /a', null, 'POST', false],
  ['POST /search', 'read', 'POST', true],
  ['GET /log-out', 'write', 'GET', false],
])('%s of kind %s with %s is a read: %s', (text, kind, method, read) => {
  expect(isRead(route(text, kind), method)).toBe(read)
})

it.each([
  ['GET /a', 'GET /a', true],
  ['GET /a', 'GET /a/', true],
  ['GET /a', 'HEAD /a', true],
  ['GET /a', 'ANY /a', true],
  ['GET /a/:id', 'GET /a/:name', true],
  ['GET /a', 'POST /a', false],
  ['GET /a', 'GET /A', false],
  ['GET /a/:id', 'GET /a/*', false],
  ['GET /a/:id', 'GET /a/:id/b', false],
  ['GET /a/:id', 'GET /a/:id.json', false],
  ['GET /a/:from-:to', 'GET /a/:x-:y', true],
  ['GET /a::start', 'GET /a::stop', false],
  ['GET /', 'GET /a', false],
])('%s and %s claim the same requests: %s', (one, other, same) => {
  expect(claimTheSame(route(one), route(other))).toBe(same)
  expect(claimTheSame(route(other), route(one))).toBe(same)
})
