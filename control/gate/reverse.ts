import { probeReverse, type ReverseReport } from '../joint/cdc.ts'
import { plural } from '../terminal/words.ts'
import type { Finding, Gate, Judgement } from './gate.ts'

/** Judges a probe of the way back: no problem, and rows to prove it on. */
export function judgeReverse({ comparedRows, findings }: ReverseReport): Judgement {
  const problems = findings.filter(({ kind }) => kind === 'problem')
  const figures = `${plural(comparedRows, 'row')} went there and back`
  const [first] = problems
  if (first !== undefined) {
    const more = problems.length > 1 ? `, and ${plural(problems.length - 1, 'more problem')}` : ''
    return { verdict: 'fail', summary: `${first.where}: ${first.problem}${more}` }
  }
  const undecided = findings.find(({ kind }) => kind === 'undecided')
  if (undecided !== undefined) {
    return { verdict: 'inconclusive', summary: `${undecided.where}: ${undecided.problem}; run it again` }
  }
  if (comparedRows === 0) return { verdict: 'inconclusive', summary: `${figures}: there is none to prove it on` }
  const notes = findings.length === 0 ? '' : `; ${plural(findings.length, 'note')}`
  return { verdict: 'pass', summary: `${figures}, the monolith takes them, the stream can be read${notes}` }
}

export const reverseGate: Gate = {
  name: 'reverse',
  proves: 'what the service will write can be carried back',
  quick: false,
  command: capability => `ficus verify ${capability} --reverse`,
  gather: async ({ control, capability }) => {
    const report = await probeReverse(control.loaded, capability)
    return { ...judgeReverse(report), evidence: reverseEvidence(report) }
  },
}

/** What the ledger keeps of a probe: the servers' own words may hold values of rows, and are for whoever asked. */
export function reverseEvidence(report: ReverseReport): Finding['evidence'] {
  return { ...report, findings: report.findings.map(({ said: _, ...finding }) => finding) }
}
