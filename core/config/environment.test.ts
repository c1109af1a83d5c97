import { expect, it } from 'vitest'
import { type ConfigProblem, fromEnv, resolveEnvironment } from './environment.ts'

it('fills in variables wherever they stand and leaves all else as it is', () => {
  const problems: ConfigProblem[] = []
  const pattern = /x/
  const value = { a: fromEnv('A'), list: [fromEnv('B', 'b'), { deep: fromEnv('C', 'c') }], pattern, nothing: null }
  expect(resolveEnvironment(value, { A: 'a', C: 'given' }, problems)).toEqual({
    a: 'a',
    list: ['b', { deep: 'given' }],
    pattern,
    nothing: null,
  })
  expect(problems).toEqual([])
})

it.each([{}, { A: '' }])('takes the fallback where the environment is %j', env => {
  const problems: ConfigProblem[] = []
  expect(resolveEnvironment({ a: fromEnv('A', 'fallback') }, env, problems)).toEqual({ a: 'fallback' })
  expect(problems).toEqual([])
})

it.each([{}, { A: '' }])('invariant 13: names the path and the variable where the environment is %j', env => {
  const problems: ConfigProblem[] = []
  resolveEnvironment({ list: [{ a: fromEnv('A') }] }, env, problems)
  expect(problems).toEqual([
    {
      path: 'list[0].a',
      problem: 'environment variable A is not set',
      remedy: "Set A, or give fromEnv('A', …) a fallback.",
    },
  ])
})
