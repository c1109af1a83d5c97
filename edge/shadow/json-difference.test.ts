import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { differences, parseIgnoredPaths } from './json-difference.ts'

const paths = (control: unknown, candidate: unknown, ...ignored: string[]) =>
  differences(control, candidate, parseIgnoredPaths(ignored), 5).map(({ path }) => path)

describe('differences', () => {
  it.each([
    [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, []],
    [{ a: 1 }, { a: 2 }, ['a']],
    [{ a: 1 }, { a: '1' }, ['a']],
    [{ a: 1 }, {}, ['a']],
    [{ a: null }, {}, ['a']],
    [{ a: [1, 2] }, { a: [2, 1] }, ['a.0', 'a.1']],
    [{ a: [] }, { a: {} }, ['a']],
    [[{ p: 1 }], [{ p: 2 }], ['0.p']],
    [1, 2, ['']],
    [0, -0, []],
    [{ constructor: 1 }, {}, ['constructor']],
  ])('%j and %j differ at %j', (control, candidate, expected) => {
    expect(paths(control, candidate)).toEqual(expected)
  })

  it('leaves out what is ignored, also where one side lacks it', () => {
    const control = {
      at: 1,
      items: [
        { id: 1, score: 1 },
        { id: 2, score: 2 },
      ],
    }
    const candidate = { items: [{ id: 1, score: 9 }, { id: 3 }] }
    expect(paths(control, candidate, 'at', 'items.*.score')).toEqual(['items.1.id'])
    expect(paths([{ at: 1 }], [{ at: 2 }], '*.at')).toEqual([])
  })

  it('names a few places with their values, cut short', () => {
    const [first, ...rest] = differences({ a: 'x'.repeat(500), b: 1 }, { b: undefined }, [], 1)
    expect(rest).toEqual([])
    expect(first).toMatchObject({ path: 'a', candidate: '(absent)' })
    expect(first?.control.length).toBe(121)
  })

  it('finds none between a value and its copy, and one where any one leaf is changed', () => {
    fc.assert(fc.property(fc.jsonValue(), value => paths(value, structuredClone(value)).length === 0))
    fc.assert(fc.property(fc.jsonValue(), value => paths({ v: value, n: 1 }, { v: value, n: 2 }).join() === 'n'))
  })
})
