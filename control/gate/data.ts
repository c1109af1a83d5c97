import { FicusError } from '@ficus/core/errors/ficus-error'
import { type DataDiff, diffData, usualLimits } from '../joint/diff.ts'
import { plural } from '../terminal/words.ts'
import type { Finding, Gate, Judgement } from './gate.ts'
import { judgeLag } from './lag.ts'

/** What a comparison is judged by. */
type Compared = Pick<DataDiff, 'tables'> & { readonly manner: Pick<DataDiff['manner'], 'resumed' | 'since'> }

/** Judges a comparison of all rows: not one may differ, and nothing is proved where there is none. */
export function judgeData(diff: Compared): Judgement {
  const { resumed, since } = diff.manner
  const compared = diff.tables.reduce((total, table) => total + table.compared, 0)
  const differing = diff.tables.reduce((total, table) => total + table.differing, 0)
  const undecided = diff.tables.reduce((total, table) => total + table.undecided, 0)
  const worst = diff.tables.toSorted((a, b) => b.differing - a.differing)[0]
  const figures = `${plural(compared, 'row')} of ${plural(diff.tables.length, 'table')} compared${resumed ? ` since ${since}` : ''}`
  if (differing === 0 && undecided > 0) {
    const summary = `${figures}; ${plural(undecided, 'row')} changed at each comparison`
    return { verdict: 'inconclusive', summary }
  }
  if (differing === 0 && compared === 0) {
    return {
      verdict: 'inconclusive',
      summary: `no row was compared: ${diff.tables.length === 1 ? 'the table is' : 'all tables are'} empty`,
    }
  }
  if (differing === 0) return { verdict: 'pass', summary: `${figures}, none differs${emptyTables(diff)}` }
  return {
    verdict: 'fail',
    summary: `${figures}, ${plural(differing, 'row differs', 'rows differ')}; most in ${worst?.table}`,
  }
}

/** Of these the comparison says nothing. */
function emptyTables({ tables }: Pick<DataDiff, 'tables'>): string {
  const empty = tables.filter(({ compared }) => compared === 0).map(({ table }) => table)
  return empty.length === 0 ? '' : `; empty: ${empty.join(', ')}`
}

export const dataGate: Gate = {
  name: 'data',
  proves: 'both sides hold the same rows',
  quick: true,
  command: capability => `ficus verify ${capability} --data`,
  gather: async ({ control, capability, config, signal, progress, remark }) => {
    const lag = judgeLag(await control.ledger.syncStatus(capability), config.gates.lag)
    // Nobody would bring the target up to the point that is compared, or the comparison would wait until somebody does.
    if (lag.verdict !== 'pass') return notCompared(lag.summary)
    try {
      const diff = await diffData(control, capability, {
        signal,
        limits: usualLimits(config),
        onProgress: progress.update,
        onRemark: remark,
      })
      return { ...judgeData(diff), evidence: { ...diff } }
    } catch (error) {
      if (error instanceof FicusError && error.code === 'FICUS_SYNC_BEHIND') return notCompared(error.message)
      throw error
    }
  },
}

function notCompared(why: string): Finding {
  return { verdict: 'inconclusive', summary: `not compared: ${why}`, evidence: {} }
}
