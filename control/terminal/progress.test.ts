import { expect, it } from 'vitest'
import { progressLines } from './progress.ts'

/** The lines of a step that tells at these seconds how many of how many are done. */
function linesOf(updates: readonly (readonly [seconds: number, done: number, total: number])[]): string[] {
  const lines: string[] = []
  let now = 1_000
  const progress = progressLines(
    '  data',
    'rows',
    line => lines.push(line),
    () => now,
  )
  for (const [seconds, done, total] of updates) {
    now = 1_000 + 1_000 * seconds
    progress.update(done, total)
  }
  return lines
}

it('writes into a log how far a long step is, how fast and how long it will take, every half minute', () => {
  const soon = [
    [0, 0, 10_000_000],
    [29, 2_900_000, 10_000_000],
  ] as const
  expect(linesOf(soon), 'soon over').toEqual([])
  const later = [
    [30, 3_000_000, 10_000_000],
    [59, 5_900_000, 10_000_000],
    [60, 6_000_000, 5_000_000],
  ] as const
  expect(linesOf([...soon, ...later])).toEqual([
    '  data: 3,000,000 of 10,000,000 rows, 100,000/s, 70 s left',
    '  data: 6,000,000 rows, 100,000/s',
  ])
})

it('counts what was done before for how far it is, and not for how fast', () => {
  const resumed = [
    [0, 9_000_000, 10_000_000],
    [30, 9_030_000, 10_000_000],
  ] as const
  expect(linesOf(resumed)).toEqual(['  data: 9,030,000 of 10,000,000 rows, 1,000/s, 16 min left'])
})
