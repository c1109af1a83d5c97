import { describe, expect, it } from 'vitest'
import { parseRoute } from '../config/route.ts'
import { RouteMatcher } from './route-matcher.ts'
import { strictReading } from './strict-reading.ts'

function find(request: string, ...texts: string[]): string | null {
  const entries = texts.map(text => {
    const route = parseRoute(text)
    if (typeof route === 'string') throw new Error(route)
    return { text, route }
  })
  const [method = '', path = ''] = request.split(' ')
  return new RouteMatcher(entries, ({ text }) => text).find(method, strictReading(path))
}

describe('RouteMatcher', () => {
  it.each([
    ['the static path before the parameter', 'GET /books/new', ['GET /books/:id', 'GET /books/new'], 'GET /books/new'],
    ['a parameter of one segment only', 'GET /books/7/pages', ['GET /books/:id'], null],
    ['the rest of a path', 'GET /books/7/pages/9', ['GET /books/*'], 'GET /books/*'],
    ['case apart', 'GET /Books', ['GET /books'], null],
    ['a trailing slash all the same', 'GET /books/', ['GET /books'], 'GET /books'],
    ['a long parameter', `GET /books/${'x'.repeat(5_000)}`, ['GET /books/:id'], 'GET /books/:id'],
    ['HEAD as GET', 'HEAD /books', ['GET /books'], 'GET /books'],
    ['HEAD itself first', 'HEAD /books', ['GET /books', 'HEAD /books'], 'HEAD /books'],
    ['HEAD as GET before ANY', 'HEAD /books', ['ANY /books', 'GET /books'], 'GET /books'],
    ['ANY method', 'PURGE /books', ['ANY /books'], 'ANY /books'],
    ['a named method before ANY', 'GET /books', ['ANY /books', 'GET /books'], 'GET /books'],
    ['a static path of ANY first', 'GET /books/new', ['GET /books/:id', 'ANY /books/new'], 'ANY /books/new'],
    ['no other method', 'DELETE /books', ['GET /books'], null],
    ['no method that Node does not read', 'BREW /books', ['ANY /books'], null],
    ['a number sign of the path itself', 'GET /books/a#b', ['GET /books/:id'], 'GET /books/:id'],
  ])('takes %s', (_, request, texts, route) => {
    expect(find(request, ...texts)).toBe(route)
  })
})

describe('strictReading', () => {
  it.each([
    ['/b%6Foks', '/books'],
    ['/caf%C3%A9', '/café'],
    ['/a%2Fb%3b', '/a%2Fb%3b'],
    ['/a%252Fb', '/a%252Fb'],
    ['/caf%E9', '/caf%E9'],
    // An escape beside bytes that are not UTF-8 is no less equivalent.
    ['/%63af%E9', '/caf%E9'],
    ['/100%', '/100%'],
  ])('%s reads as %s', (path, reading) => {
    expect(strictReading(path)).toBe(reading)
  })
})
