import { FicusError } from '@ficus/core/errors/ficus-error'
import type { CapabilityState, Versions } from '@ficus/core/ledger/records'
import { PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import type { Control } from '../control.ts'
import { evaluateGates, type GateEvents, type GateOutcome } from '../gate/evaluate.ts'
import { changedVersions } from '../gate/freshness.ts'
import { GATES_BEFORE, type GateName } from '../gate/gate.ts'
import { gatherVersions } from '../gate/versions.ts'
import { type DropEvents, dropIsUnfinished, finishDrop } from './drop.ts'
import { withLease } from './lease.ts'

export interface AdvanceOptions extends GateEvents, DropEvents {
  readonly signal: AbortSignal
  /** Gathers every gate now, the slow ones too. */
  readonly run?: boolean
  /** Moves even if gates are red. Needs a reason. */
  readonly force?: boolean
  /** Kept in the journal. */
  readonly reason?: string
}

/** A move forward that was made. */
export interface Advanced {
  readonly from: Phase
  readonly state: CapabilityState
  readonly gates: readonly GateOutcome[]
  readonly versions: Versions
  /** The red gates that were passed by force. */
  readonly forced: readonly GateName[]
}

/**
 * Moves a capability one phase forward, if every gate before that phase is green on fresh evidence for the versions
 * that run now (invariant 9). The journal keeps the evidence. What an interrupted way back to legacy left is removed first,
 * so that no new sync goes on with an old copy.
 * @throws FICUS_GATE_RED whose `details.gates` holds every `GateOutcome`; FICUS_MOVE_NOT_ALLOWED; FICUS_LEASE_HELD;
 *   FICUS_USAGE for force without a reason.
 */
export async function advance(control: Control, capability: string, options: AdvanceOptions): Promise<Advanced> {
  const config = control.capability(capability)
  const reason = options.reason?.trim() || null
  if (options.force === true && reason === null) {
    throw new FicusError('FICUS_USAGE', '--force needs --reason "…", which the journal keeps')
  }
  return withLease(control, capability, options.signal, async signal => {
    const state = await control.ledger.capability(capability)
    const { to, gates: names } = nextStep(state)
    if (await dropIsUnfinished(control, state)) await finishDrop(control, state, options, signal)
    const versions = await gatherVersions(control, capability, signal)
    const context = { control, capability, config, state, versions, signal }
    const gates = await evaluateGates(names, context, { ...options, all: options.run === true })
    const red = gates.filter(gate => !gate.green)
    if (red.length > 0 && options.force !== true) throw gatesRed(capability, state.phase, to, gates)

    const changed = changedVersions(versions, await gatherVersions(control, capability, signal))
    if (changed.length > 0) throw versionsChanged(capability, changed)
    const forced = red.map(({ gate }) => gate)
    const moved = await control.ledger.move({
      capability,
      epoch: state.epoch,
      to,
      actor: control.actor,
      action: 'advance',
      reason,
      evidence: { versions, gates, ...(forced.length > 0 ? { forced } : {}) },
    })
    return { from: state.phase, state: moved, gates, versions, forced }
  })
}

function nextStep({ name, phase }: CapabilityState): { to: Phase; gates: readonly GateName[] } {
  const to = PHASE_RULES[phase].next
  if (to === null) throw new FicusError('FICUS_MOVE_NOT_ALLOWED', `${name} is ${phase}, the last phase`)
  const gates = GATES_BEFORE[to]
  if (gates !== null && PHASE_RULES[to].owner === PHASE_RULES[phase].owner) return { to, gates }
  throw new FicusError(
    'FICUS_MOVE_NOT_ALLOWED',
    `${name} cannot move from ${phase} to ${to}: this version of Ficus does not switch writes yet`,
    { remedy: `Stay in ${phase}: \`ficus route ${name} --read 100\` gives the service all reads.` },
  )
}

function gatesRed(capability: string, from: Phase, to: Phase, gates: readonly GateOutcome[]): FicusError {
  const red = gates.filter(gate => !gate.green)
  const lines = red.map(gate => `  ${gate.gate} (${gate.verdict}): ${gate.summary}\n    ${gate.command}`)
  const count = red.length === 1 ? '1 gate is' : `${red.length} gates are`
  return new FicusError(
    'FICUS_GATE_RED',
    `${capability} stays ${from}: ${count} not green before ${to}:\n${lines.join('\n')}`,
    { details: { from, to, gates } },
  )
}

function versionsChanged(capability: string, changed: readonly string[]): FicusError {
  return new FicusError(
    'FICUS_GATE_RED',
    `${capability} was not moved: versions changed while the gates ran: ${changed.join(', ')}`,
    { remedy: 'Run the command again; the evidence counts for what ran before.', details: { changed } },
  )
}
