import { expect, it } from 'vitest'
import { forkOf, parseForks } from './source-history.ts'

const HISTORY = '1\t0/5000148\tno recovery target specified\n\n2\t0/70000A0\tbefore 2000-01-01\n'

it('reads where each timeline was left', () => {
  expect(parseForks(HISTORY)).toEqual([
    { parent: 1, lsn: '0/5000148' },
    { parent: 2, lsn: '0/70000A0' },
  ])
  expect(parseForks('')).toEqual([])
})

it('finds where a position’s own timeline ended, or that it is no ancestor', () => {
  expect(forkOf(parseForks(HISTORY), 1)).toBe('0/5000148')
  expect(forkOf(parseForks(HISTORY), 3)).toBeNull()
})
