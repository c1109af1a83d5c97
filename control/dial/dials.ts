import { FicusError } from '@ficus/core/errors/ficus-error'
import { flagNames } from '@ficus/core/flags/flags'
import type { CapabilityState } from '@ficus/core/ledger/records'
import { PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import type { Control } from '../control.ts'

/** The dials that a person turns, in percent; null where the flag does not exist, which is off. */
export interface Dials {
  readonly read: number | null
  readonly shadow: number | null
}

/** A dial as it was set, and what the phase makes of it. */
export interface DialEffect {
  readonly set: number | null
  readonly effective: number
  /** Why the two differ; null where they do not. */
  readonly why: string | null
}

/** What of the dials takes effect in a phase (invariant 6). */
export function dialEffects(phase: Phase, dials: Dials): Readonly<Record<keyof Dials, DialEffect>> {
  const rules = PHASE_RULES[phase]
  const read = rules.reads === 'dial' ? (dials.read ?? 0) : rules.reads === 'service' ? 100 : 0
  const shadow = rules.shadow ? (dials.shadow ?? 0) : 0
  return {
    read: effect(
      dials.read,
      read,
      `in ${phase} all reads go to the ${rules.reads === 'service' ? 'service' : 'monolith'}`,
    ),
    shadow: effect(dials.shadow, shadow, `in ${phase} nothing is mirrored`),
  }
}

function effect(set: number | null, effective: number, why: string): DialEffect {
  return { set, effective, why: (set ?? 0) === effective ? null : why }
}

/** @throws FICUS_FLAGS_UNREACHABLE, FICUS_FLAGS_REFUSED, FICUS_FLAGS_INVALID. */
export async function readDials(control: Control, capability: string): Promise<Dials> {
  const names = flagNames(capability)
  const rollouts = await control.flagAdmin.read([names.read, names.shadow])
  return { read: rollouts.get(names.read) ?? null, shadow: rollouts.get(names.shadow) ?? null }
}

/** Dials that were set. */
export interface DialsSet {
  readonly state: CapabilityState
  readonly effects: Readonly<Record<keyof Dials, DialEffect>>
}

/**
 * Sets the dials that are given and journals it.
 * @throws FICUS_USAGE where none is given; FICUS_FLAGS_UNREACHABLE, FICUS_FLAGS_REFUSED, FICUS_FLAGS_INVALID.
 */
export async function setDials(
  control: Control,
  capability: string,
  wanted: { readonly read?: number; readonly shadow?: number },
  reason: string | null = null,
): Promise<DialsSet> {
  control.capability(capability)
  if (wanted.read === undefined && wanted.shadow === undefined) {
    throw new FicusError('FICUS_USAGE', 'route needs a dial to set: --read, --shadow or both')
  }
  const names = flagNames(capability)
  const state = await control.ledger.capability(capability)
  const before = await readDials(control, capability)
  const rollouts = new Map<string, number>()
  if (wanted.read !== undefined) rollouts.set(names.read, wanted.read)
  if (wanted.shadow !== undefined) rollouts.set(names.shadow, wanted.shadow)
  await control.flagAdmin.set(rollouts)
  const effects = dialEffects(state.phase, { ...before, ...wanted })
  await control.ledger.note({
    capability,
    actor: control.actor,
    action: 'route',
    reason,
    evidence: { before, set: wanted, effects },
  })
  return { state, effects }
}
