import { FicusError } from '@ficus/core/errors/ficus-error'
import { flagNames } from '@ficus/core/flags/flags'
import type { CapabilityState } from '@ficus/core/ledger/records'
import { judgeMove, PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import type { Control } from '../control.ts'
import { toFicusError } from '../terminal/report-error.ts'
import { type DropEvents, dropIsUnfinished, finishDrop } from './drop.ts'
import { withLease } from './lease.ts'

export interface RollbackOptions {
  readonly signal: AbortSignal
  /** One phase back unless given. */
  readonly to?: Phase
  /** Kept in the journal. */
  readonly reason?: string
  readonly events?: RollbackEvents
}

/** What `rollback` tells while it works. */
export interface RollbackEvents extends DropEvents {
  moved?(from: Phase, to: Phase): void
  /** A dial could not be set to 0; the phase keeps it from taking effect. */
  dialLeft?(dial: 'read' | 'shadow', error: FicusError): void
}

/** A way back that was gone. */
export interface RolledBack {
  readonly from: Phase
  readonly state: CapabilityState
  /** Every phase that was passed, the last one included. */
  readonly path: readonly Phase[]
  /** Dials that could not be set to 0, and why. */
  readonly dialsLeft: readonly { readonly dial: 'read' | 'shadow'; readonly error: FicusError }[]
  /** Who removed the copied rows, slot and publication; null where the way did not lead to legacy. */
  readonly droppedBy: 'sync' | 'ficus' | null
}

/** The dial that a phase alone gives effect to, and that leaving it backwards turns off first. */
const DIAL_OF: Readonly<Partial<Record<Phase, 'read' | 'shadow'>>> = { canary: 'read', shadowing: 'shadow' }

/**
 * Moves a capability back, phase by phase (invariant 10). No gate can refuse it, and a flag server that is away does not
 * keep it: the phase alone takes the traffic back. Run again after an interruption, it goes on; in legacy it finishes what
 * an earlier one left to be removed.
 * @throws FICUS_MOVE_NOT_ALLOWED where there is no such way back; FICUS_LEASE_HELD; FICUS_LEDGER_UNREACHABLE.
 */
export async function rollback(control: Control, capability: string, options: RollbackOptions): Promise<RolledBack> {
  control.capability(capability)
  const { events = {} } = options
  return withLease(control, capability, options.signal, async signal => {
    const before = await control.ledger.capability(capability)
    const path = wayBack(before, options.to ?? ((await dropIsUnfinished(control, before)) ? 'legacy' : undefined))
    const dialsLeft: { dial: 'read' | 'shadow'; error: FicusError }[] = []
    let state = before
    for (const to of path) {
      const dial = DIAL_OF[state.phase]
      const error = dial === undefined ? null : await turnOff(control, capability, dial)
      if (dial !== undefined && error !== null) {
        dialsLeft.push({ dial, error })
        events.dialLeft?.(dial, error)
      }
      const from = state.phase
      state = await control.ledger.move({
        capability,
        epoch: state.epoch,
        to,
        actor: control.actor,
        action: 'rollback',
        reason: options.reason?.trim() || null,
        evidence: error === null ? {} : { dialLeft: { dial, error: error.toJSON() } },
      })
      events.moved?.(from, to)
    }
    const droppedBy = state.phase === 'legacy' ? await finishDrop(control, state, events, signal) : null
    return { from: before.phase, state, path, dialsLeft, droppedBy }
  })
}

/** Empty where the capability is there already, as after an interruption. */
function wayBack({ name, phase, owner }: CapabilityState, wanted: Phase | undefined): readonly Phase[] {
  const to = wanted ?? PHASE_RULES[phase].back
  if (to === null) throw refused(`there is no way back from ${phase}`, name, phase)
  if (owner === 'service') throw refused('this version of Ficus does not switch writes back yet', name, phase)
  const move = judgeMove(phase, to)
  if (move.kind === 'none') return []
  if (move.kind === 'back') return move.path
  throw refused(move.kind === 'refused' ? move.why : `${to} lies ahead: use \`ficus advance ${name}\``, name, phase)
}

function refused(why: string, capability: string, phase: Phase): FicusError {
  return new FicusError('FICUS_MOVE_NOT_ALLOWED', `${capability} stays ${phase}: ${why}`)
}

async function turnOff(control: Control, capability: string, dial: 'read' | 'shadow'): Promise<FicusError | null> {
  try {
    await control.flagAdmin.set(new Map([[flagNames(capability)[dial], 0]]))
    return null
  } catch (error) {
    return toFicusError(error)
  }
}
