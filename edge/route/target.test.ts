import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readTarget } from './target.ts'

describe('readTarget', () => {
  it('leaves an ordinary path alone and forgets the query', () => {
    expect(readTarget('/api/items/1?x=../..%2f')).toEqual({ strict: '/api/items/1', loose: null })
  })

  it.each(['http://other/api', '*', 'other:443', ''])('serves no target in another form: %j', raw => {
    expect(readTarget(raw)).toBeNull()
  })

  it.each([
    ['/api/it%65ms', '/api/items', null],
    ['/caf%C3%A9', '/café', null],
    ['/caf%E9', '/caf%E9', null],
    ['/a%20b', '/a b', null],
    ['/a%2Fb', '/a%2Fb', '/a/b'],
    ['/a\\b', '/a\\b', '/a/b'],
    ['/a%5cb', '/a\\b', '/a/b'],
    ['/a//b', '/a//b', '/a/b'],
    ['/a/./b', '/a/./b', '/a/b'],
    ['/a/../b', '/a/../b', '/b'],
    ['/a/%2E%2e/b', '/a/../b', '/b'],
    ['/a/..%2fb', '/a/..%2fb', '/b'],
    ['/a/..;x=1/b', '/a/..;x=1/b', '/b'],
    ['/a;v=1/b', '/a;v=1/b', '/a/b'],
    ['/a%3bv=1/b', '/a%3bv=1/b', '/a/b'],
    ['/a/..', '/a/..', '/'],
    ['/../../a', '/../../a', '/a'],
    ['/a#b', '/a#b', '/a'],
    ['/a%00b', '/a\0b', '/a'],
    ['/...x', '/...x', null],
    ['/x../y', '/x../y', null],
  ])('reads %s strictly as %j and loosely as %j', (raw, strict, loose) => {
    expect(readTarget(raw)).toEqual({ strict, loose })
  })

  it('does not decode twice', () => {
    expect(readTarget('/a/%252e%252e/b')).toEqual({ strict: '/a/%252e%252e/b', loose: null })
  })

  it('never throws, and its loose reading holds no way out of the path', () => {
    const nasty = fc.stringMatching(/^\/(?:[a-z./\\;#%]|%[0-9a-fA-F]{2}|%25){0,30}$/)
    fc.assert(
      fc.property(nasty, raw => {
        const target = readTarget(raw)
        const reading = target?.loose ?? target?.strict ?? ''
        expect(reading.split('/').slice(1)).not.toContain('..')
        expect(reading).not.toContain('\\')
      }),
    )
  })
})
