import { expect, it } from 'vitest'
import { lagsOf } from './lag.ts'

it('takes the first look that saw a row', () => {
  const commits = [
    { id: 1, at: 100 },
    { id: 2, at: 101 },
    { id: 3, at: 102 },
  ]
  const looks = [
    { newest: 0, at: 99 },
    { newest: 2, at: 105 },
    { newest: 2, at: 107 },
    { newest: 3, at: 110 },
  ]
  expect([...lagsOf(commits, looks)]).toEqual([5, 4, 8])
})

it('counts what came before the first commit of the list as the target’s own', () => {
  expect([...lagsOf([{ id: 7, at: 100 }], [{ newest: 900, at: 103 }])]).toEqual([3])
})

it('does not invent the lag of a row that never came', () => {
  expect(() => lagsOf([{ id: 2, at: 100 }], [{ newest: 1, at: 105 }])).toThrow('row 2 was never seen')
})
