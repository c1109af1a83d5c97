import { preflight } from '../preflight/preflight.ts'
import type { Area } from '../preflight/problem.ts'
import { plural } from '../terminal/words.ts'
import type { Gate, Judgement } from './gate.ts'

export function judgeCheck(areas: readonly Area[]): Judgement {
  const problems = areas.flatMap(area => area.problems)
  const [first] = problems
  if (first === undefined) return { verdict: 'pass', summary: `${plural(areas.length, 'area')} looked at, no problem` }
  const more = problems.length > 1 ? ` and ${problems.length - 1} more` : ''
  return { verdict: 'fail', summary: `${first.problem}${more}` }
}

export const checkGate: Gate = {
  name: 'check',
  proves: 'config, databases, flags and routes are fit',
  quick: true,
  command: capability => `ficus check ${capability}`,
  gather: async ({ control, capability, signal }) => {
    const areas = await preflight(control.loaded, { capabilities: [capability], signal })
    return { ...judgeCheck(areas), evidence: { problems: areas.flatMap(area => area.problems) } }
  },
}
