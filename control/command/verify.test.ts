import { expect, it } from 'vitest'
import { redResult } from './verify.ts'

it.each([
  ['data', 'fail', 'FICUS_DATA_DIFFERS'],
  ['data', 'inconclusive', 'FICUS_SYNC_BEHIND'],
  ['contracts', 'fail', 'FICUS_GATE_RED'],
  ['reverse', 'fail', 'FICUS_GATE_RED'],
] as const)('%s that is %s ends as %s, which is exit code 1', (gate, verdict, code) => {
  const error = redResult({ gate, verdict, summary: 's' }, 'books')
  expect([error.code, error.exitCode]).toEqual([code, 1])
})

it('tells the command that repairs, with the capability’s name', () => {
  const { remedy } = redResult({ gate: 'data', verdict: 'fail', summary: 's' }, 'books')
  expect(remedy).toContain('`ficus verify books --data --repair`')
})
