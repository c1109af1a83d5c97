import { describe, expect, it } from 'vitest'
import { copyText } from './copy.ts'

describe('copyText', () => {
  it.each([
    [null, '\\N'],
    ['', ''],
    ['a\tb\nc\\d', 'a\\tb\\nc\\\\d'],
    [12, '12'],
    [true, 'true'],
    [['tea', 'say "hi"', 'a\\b'], '{"tea","say \\\\"hi\\\\"","a\\\\\\\\b"}'],
    [{ depth: 4.5, note: 'a"b' }, '{"depth":4.5,"note":"a\\\\"b"}'],
  ])('writes %j as %s', (value, expected) => {
    expect(copyText(value)).toBe(expected)
  })
})
