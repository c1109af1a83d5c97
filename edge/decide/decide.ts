import { PHASE_RULES, type Phase, type Side } from '@ficus/core/phases/phase'

/** All that a decision depends on. */
export interface DecisionInput {
  readonly phase: Phase
  /** Whose database accepts the capability's writes, as the ledger says. */
  readonly owner: Side
  readonly isRead: boolean
  /** How the dials stand for this user (`read`) and for this request (`shadow`). */
  readonly dials: { readonly read: boolean; readonly shadow: boolean }
}

/** Why a side was chosen; a label of the metrics. */
export const REASONS = ['unmatched', 'phase', 'dial', 'owner'] as const
export type Reason = (typeof REASONS)[number]

export interface Decision {
  readonly side: Side
  /** Whether the service is asked the same after the reply, for comparison. */
  readonly shadow: boolean
  readonly reason: Reason
}

/**
 * Decides who answers a request of a capability. Pure and total. Writes go to the owner; reads go where the phase says,
 * and a dial counts only where the phase leaves it the choice (invariant 6).
 */
export function decide(input: DecisionInput): Decision {
  const rules = PHASE_RULES[input.phase]
  if (!input.isRead) return { side: input.owner, shadow: false, reason: 'owner' }
  const side = sideOfRead(rules.reads, input.dials.read)
  return {
    side,
    shadow: rules.shadow && side === 'monolith' && input.dials.shadow,
    reason: rules.reads === 'dial' ? 'dial' : 'phase',
  }
}

function sideOfRead(reads: 'monolith' | 'dial' | 'service', dialled: boolean): Side {
  if (reads === 'dial') return dialled ? 'service' : 'monolith'
  return reads
}
