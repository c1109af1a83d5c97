import { type DataDiff, diffData } from '../joint/cdc.ts'
import { plural } from '../terminal/words.ts'
import type { Gate, Judgement } from './gate.ts'

/** Judges a comparison of all rows: not one may differ. */
export function judgeData(diff: DataDiff): Judgement {
  const compared = diff.tables.reduce((total, table) => total + table.compared, 0)
  const differing = diff.tables.reduce((total, table) => total + table.differing, 0)
  const worst = diff.tables.toSorted((a, b) => b.differing - a.differing)[0]
  const figures = `${plural(compared, 'row')} of ${plural(diff.tables.length, 'table')} compared`
  if (differing === 0) return { verdict: 'pass', summary: `${figures}, none differs` }
  return { verdict: 'fail', summary: `${figures}, ${plural(differing, 'row')} differ; most in ${worst?.table}` }
}

export const dataGate: Gate = {
  name: 'data',
  proves: 'both sides hold the same rows',
  quick: true,
  command: capability => `ficus verify ${capability} --data`,
  gather: async ({ control, capability, signal, progress }) => {
    const diff = await diffData(control.loaded, capability, { signal, onProgress: progress.update })
    return { ...judgeData(diff), evidence: { ...diff } }
  },
}
