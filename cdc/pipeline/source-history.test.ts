import { expect, it } from 'vitest'
import { forkOf, outsideHistory, parseForks } from './source-history.ts'

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

it.each([
  ['before its timeline was left', 1, 3, '0/5000148', null],
  ['behind that', 1, 3, '0/5000149', /left the history .* at 0\/5000148/],
  [
    'of a timeline beside the server’s',
    2,
    3,
    '0/1',
    /timeline 3, which does not come from timeline 2/,
    '1\t0/5000148\tx\n',
  ],
  ['of a later timeline than the server’s', 2, 1, '0/1', /timeline 1, which does not come from timeline 2/, ''],
])('invariant 3: judges a position %s', (_, known, now, lsn, why, history = HISTORY) => {
  const found = outsideHistory({ lsn }, known, now, parseForks(history))
  if (why === null) expect(found).toBeNull()
  else expect(found).toMatch(why)
})
