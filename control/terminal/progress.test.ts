import { expect, it } from 'vitest'
import { progressLines } from './progress.ts'

it('writes into a log how far a long step is, how fast and how long it will take, every half minute', () => {
  const lines: string[] = []
  let now = 1_000
  const progress = progressLines(
    '  data',
    'rows',
    line => lines.push(line),
    () => now,
  )
  const at = (seconds: number, done: number, total: number) => {
    now = 1_000 + 1_000 * seconds
    progress.update(done, total)
  }
  at(29, 2_900_000, 10_000_000)
  expect(lines, 'soon over').toEqual([])
  at(30, 3_000_000, 10_000_000)
  at(59, 5_900_000, 10_000_000)
  at(60, 6_000_000, 5_000_000)
  expect(lines).toEqual([
    '  data: 3,000,000 of 10,000,000 rows, 100,000/s, 70 s left',
    '  data: 6,000,000 rows, 100,000/s',
  ])
})
