import type { Capability } from '@ficus/core/config/schema'
import type { CapabilityState, Verdict, Versions } from '@ficus/core/ledger/records'
import type { Phase } from '@ficus/core/phases/phase'
import type { Control } from '../control.ts'
import type { Progress } from '../terminal/progress.ts'

export const GATE_NAMES = [
  'check',
  'service',
  'lag',
  'data',
  'parked',
  'shadow',
  'contracts',
  'load',
  'reverse',
] as const
export type GateName = (typeof GATE_NAMES)[number]

/** What a pure judge makes of figures. The summary holds the figures beside their limits, in one line. */
export interface Judgement {
  readonly verdict: Verdict
  readonly summary: string
}

/** A judgement and the figures beneath it. */
export interface Finding extends Judgement {
  readonly evidence: Readonly<Record<string, unknown>>
  /** What it was measured on, where that need not be what runs now. */
  readonly versions?: Versions
}

/** What a gate may look at. */
export interface GateContext {
  readonly control: Control
  readonly capability: string
  readonly config: Capability
  readonly state: CapabilityState
  /** What runs now, and so what the finding will count for. */
  readonly versions: Versions
  readonly signal: AbortSignal
  readonly progress: Progress
  /** Told in words: why it waits, and when it goes on. */
  remark(text: string): void
}

/** A check that must be green before a phase moves forward. */
export interface Gate {
  readonly name: GateName
  /** What it proves, in a few words. */
  readonly proves: string
  /** Whether every `ficus advance` gathers it anew. The others take long, and are read from the ledger while fresh. */
  readonly quick: boolean
  /** The command that gathers it, and that helps to make it green. */
  command(capability: string): string
  /** @throws a FicusError where a part that it needs cannot be reached. */
  gather(context: GateContext): Promise<Finding>
}

/** Which gates stand before each phase; null where there is no way forward into it, or none yet. */
export const GATES_BEFORE: Readonly<Record<Phase, readonly GateName[] | null>> = {
  legacy: null,
  syncing: ['check', 'service'],
  shadowing: ['lag', 'data'],
  canary: ['lag', 'data', 'parked', 'shadow', 'contracts', 'load'],
  extracted: ['lag', 'data', 'parked', 'shadow', 'contracts', 'load', 'reverse'],
  retired: null,
}
