import { expect, it } from 'vitest'
import { compareRounds, median } from './report.ts'

it('takes the middle value, and the mean of the two middle ones', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(() => median([])).toThrow(RangeError)
})

it('pairs the rounds, so that a slow round of both does not move the ratio', () => {
  const row = compareRounds('requests', '1/s', [200, 20, 400], 'peer', [100, 10, 100], '>= 1.7')
  expect(row).toMatchObject({ ours: 200, theirs: 100, ratio: 2, met: true })
})

it('meets an upper limit from below only', () => {
  expect(compareRounds('median', 'ms', [1.2], 'without', [1], '<= 1.05').met).toBe(false)
  expect(compareRounds('median', 'ms', [1], 'without', [1], '<= 1.05').met).toBe(true)
  expect(compareRounds('median', 'ms', [1], 'without', [1], null).met).toBeNull()
})
