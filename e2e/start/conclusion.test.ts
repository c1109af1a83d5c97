import type { StoredGateResult, Verdict } from '@ficus/core/ledger/records'
import { expect, it } from 'vitest'
import type { TrafficReport } from '../traffic/traffic.ts'
import { conclude, dataVerdict } from './conclusion.ts'

const result = (id: number, verdict: Verdict): StoredGateResult => ({
  id,
  gate: 'data',
  verdict,
  summary: '',
  evidence: {},
  versions: {},
  measuredAt: new Date(0),
})

it.each([
  ['passed', 0, result(1, 'fail'), result(2, 'pass'), 'equal'],
  ['found a difference', 1, result(1, 'pass'), result(2, 'fail'), 'different'],
  ['found one at the first look', 1, undefined, result(1, 'fail'), 'different'],
  ['could not decide', 1, result(1, 'fail'), result(2, 'inconclusive'), 'undecided'],
  ['broke off before it found anything', 3, result(1, 'fail'), result(1, 'fail'), 'undecided'],
] as const)('a comparison that %s', (_what, code, before, after, verdict) => {
  expect(dataVerdict(code, before, after)).toBe(verdict)
})

const report: TrafficReport = {
  requests: 2_000,
  failures: 0,
  reads: { monolith: 900, service: 800 },
  writes: 100,
  returns: 0,
  firstFailures: [],
}

it('is good only where all is', () => {
  expect(conclude(report, 'equal', 1_000).good).toBe(true)
  expect(conclude(report, 'different', 1_000).good).toBe(false)
  expect(conclude(report, 'undecided', 1_000).good).toBe(false)
  expect(conclude({ ...report, failures: 1 }, 'equal', 1_000).good).toBe(false)
  expect(conclude({ ...report, returns: 1 }, 'equal', 1_000).good).toBe(false)
})

it('does not call undecided data different', () => {
  expect(conclude(report, 'different', 1_000).text).toContain('DIFFERENT')
  const { text } = conclude(report, 'undecided', 1_000)
  expect(text).toContain('not decided')
  expect(text).not.toContain('DIFFERENT')
})
