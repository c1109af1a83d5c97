import { expect, it } from 'vitest'
import { parseDuration } from './duration.ts'

it.each<[string | number, number]>([
  ['250ms', 250],
  ['20s', 20_000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
  ['7d', 604_800_000],
  [' 5s ', 5_000],
  [0, 0],
  [1_500, 1_500],
])('%j is %i ms', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds)
})

it.each<string | number>(['', '20', '20 s', '-5s', '5S', '1h30m', 'soon', -1, Number.NaN, Number.POSITIVE_INFINITY])(
  'invariant 13: %j is no duration',
  text => {
    expect(parseDuration(text)).toBeNull()
  },
)
