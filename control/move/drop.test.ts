import { expect, it } from 'vitest'
import { dropStep } from './drop.ts'

const since = new Date('2026-01-01T10:00:00Z')
const report = (state: 'streaming' | 'dropped' | 'failed', secondsAfter: number, ageSeconds = 1) => ({
  direction: 'forward' as const,
  engine: 'postgres',
  state,
  copiedRows: 0,
  estimatedRows: 0,
  appliedRows: 0,
  parked: 0,
  lagRows: 0,
  lagSeconds: 0,
  position: null,
  error: null,
  worker: 'w',
  reportedAt: new Date(since.getTime() + secondsAfter * 1_000),
  ageSeconds,
})

it.each([
  ['sync has dropped it since', report('dropped', 1), 'done'],
  ['sync dropped it and ended', report('dropped', 1, 500), 'done'],
  ['sync has yet to notice', report('streaming', -1), 'wait'],
  ['sync is at it', report('streaming', 2), 'wait'],
  ['it was dropped an earlier time', report('dropped', -1), 'wait'],
  ['no sync process lives', report('streaming', -30, 30), 'take over'],
  ['none ever lived', null, 'take over'],
] as const)('%s', (_name, last, step) => {
  expect(dropStep(last, since)).toBe(step)
})
