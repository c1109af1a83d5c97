import { listParked, type ParkedGroup, showKey } from '../joint/parked.ts'
import { plural } from '../terminal/words.ts'
import type { Gate, Judgement } from './gate.ts'

/** Judges what is parked: anything at all keeps a row from being the same on both sides (invariant 11). */
export function judgeParked(groups: readonly ParkedGroup[]): Judgement {
  const [first] = groups
  if (first === undefined) return { verdict: 'pass', summary: 'no change is parked' }
  const [{ table, kind, key, plainReason }] = first
  const changes = groups.reduce((sum, group) => sum + group.length, 0)
  const rows = groups.length === 1 ? 'for 1 row' : `for ${plural(groups.length, 'row')}`
  return {
    verdict: 'fail',
    summary: `${plural(changes, 'change')} parked ${rows}; first the ${kind} of ${table} (${showKey(key)}): ${plainReason}`,
  }
}

/** How many are named in the evidence. */
const NAMED = 50

export const parkedGate: Gate = {
  name: 'parked',
  proves: 'the target has taken every change',
  quick: true,
  command: capability => `ficus parked ${capability}`,
  gather: async ({ control, capability }) => {
    const groups = await listParked(control, capability)
    const named = groups.slice(0, NAMED).map(([{ id, table, key, kind, plainReason }, ...behind]) => {
      return { id, table, key, kind, reason: plainReason, behind: behind.length }
    })
    return { ...judgeParked(groups), evidence: { rows: groups.length, parked: named } }
  },
}
