import type { ShadowCount, StoredGateResult, Versions } from '@ficus/core/ledger/records'
import { plural, showCount, showShare } from '../terminal/words.ts'
import { changedVersions } from './freshness.ts'
import type { Gate, Judgement } from './gate.ts'

/** Judges the comparisons that the edges made: enough of them, and few enough that differ. */
export function judgeShadow(
  counts: readonly ShadowCount[],
  limits: { readonly minimum: number; readonly maxMismatchRatio: number },
): Judgement {
  const matched = sum(counts, 'matched')
  const mismatched = sum(counts, 'mismatched')
  const compared = matched + mismatched
  const worst = counts.filter(count => count.mismatched > 0).sort((a, b) => b.mismatched - a.mismatched)[0]
  const figures = `${plural(compared, 'answer')} compared, ${showCount(mismatched)} differed (${showShare(mismatched, compared)}, limit ${showShare(limits.maxMismatchRatio, 1)})`
  const most = worst === undefined ? '' : `; most on ${worst.route}`
  // A clear difference needs no more samples: it will not go away by asking on.
  if (mismatched > 0 && mismatched > limits.maxMismatchRatio * Math.max(compared, limits.minimum)) {
    return { verdict: 'fail', summary: figures + most }
  }
  if (compared < limits.minimum) {
    return { verdict: 'inconclusive', summary: `${figures}; ${showCount(limits.minimum)} are needed` }
  }
  return { verdict: mismatched <= limits.maxMismatchRatio * compared ? 'pass' : 'fail', summary: figures + most }
}

/** What `countSince` looks at. */
export interface ShadowHistory {
  readonly phaseSince: Date
  /** The versions that the move into this phase was made on; null where the journal does not tell. */
  readonly versionsAtMove: Versions | null
  /** The last result of this gate. */
  readonly last: Pick<StoredGateResult, 'versions' | 'evidence' | 'measuredAt'> | undefined
  readonly versions: Versions
  /** The ledger's clock. */
  readonly now: Date
}

/**
 * From when on comparisons count: since the phase began, or since the first look at the versions that run now, where
 * others ran before (invariant 9). Comparisons are stored by epoch, which keeps those of before the phase apart, and by the
 * minute, so a later start means the next whole minute.
 */
export function countSince({ phaseSince, versionsAtMove, last, versions, now }: ShadowHistory): Date {
  const nextMinute = new Date(Math.ceil(now.getTime() / 60_000) * 60_000)
  if (last !== undefined && last.measuredAt > phaseSince) {
    const since = new Date(String(last.evidence.since))
    return changedVersions(last.versions, versions).length === 0 && since >= phaseSince ? since : nextMinute
  }
  if (versionsAtMove === null || changedVersions(versionsAtMove, versions).length === 0) return phaseSince
  return nextMinute
}

export const shadowGate: Gate = {
  name: 'shadow',
  proves: 'the service answers as the monolith does',
  quick: true,
  command: capability => `ficus route ${capability} --shadow 100`,
  gather: async ({ control, capability, config, state, versions }) => {
    const latest = await control.ledger.latestGates(capability)
    const since = countSince({
      phaseSince: state.phaseSince,
      versionsAtMove: await versionsAtMove(control, capability, state.epoch),
      last: latest.get('shadow'),
      versions,
      now: await control.now(),
    })
    const counts = await control.ledger.shadow(capability, { since, epoch: state.epoch })
    return { ...judgeShadow(counts, config.gates.shadow), evidence: { since: since.toISOString(), routes: counts } }
  },
}

async function versionsAtMove(
  control: Parameters<Gate['gather']>[0]['control'],
  capability: string,
  epoch: number,
): Promise<Versions | null> {
  const entries = await control.ledger.journal({ capability, limit: 1_000 })
  const move = entries.find(entry => entry.epoch === epoch && entry.toPhase !== null)
  return toVersions(move?.evidence.versions)
}

function toVersions(value: unknown): Versions | null {
  if (typeof value !== 'object' || value === null) return null
  return Object.fromEntries(Object.entries(value).map(([part, version]) => [part, String(version)]))
}

function sum(counts: readonly ShadowCount[], field: 'matched' | 'mismatched'): number {
  return counts.reduce((total, count) => total + count[field], 0)
}
