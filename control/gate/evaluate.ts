import type { StoredGateResult, Verdict } from '@ficus/core/ledger/records'
import { type Progress, silentProgress } from '../terminal/progress.ts'
import { whyStale } from './freshness.ts'
import type { Finding, GateContext, GateName } from './gate.ts'
import { GATES } from './gates.ts'

/** How one gate stands, for the journal and for a person. */
export interface GateOutcome {
  readonly gate: GateName
  readonly green: boolean
  /** `missing`: never measured; `stale`: measured long ago or for other versions. */
  readonly verdict: Verdict | 'missing' | 'stale'
  readonly summary: string
  /** The result in the ledger; null where there is none. */
  readonly id: number | null
  readonly measuredAt: Date | null
  /** The command that gathers it anew; null where it is green. */
  readonly command: string | null
}

/** What `evaluateGates` tells while it works. */
export interface GateEvents {
  started?(gate: GateName, proves: string): Progress
  remark?(text: string): void
  done?(outcome: GateOutcome): void
}

export interface EvaluateOptions extends GateEvents {
  /** Gathers the slow gates too, rather than reading them from the ledger. */
  readonly all: boolean
}

/** What a gate may look at, but for what it tells meanwhile. */
export type EvaluateContext = Omit<GateContext, 'progress' | 'remark'>

/** Gathers or reads each gate in turn. What is gathered is recorded in the ledger, whichever way it comes out. */
export async function evaluateGates(
  names: readonly GateName[],
  context: EvaluateContext,
  { all, started, remark, done }: EvaluateOptions,
): Promise<GateOutcome[]> {
  const { control, capability } = context
  const outcomes: GateOutcome[] = []
  for (const name of names) {
    context.signal.throwIfAborted()
    const progress = started?.(name, GATES[name].proves) ?? silentProgress
    const stored =
      all || GATES[name].quick
        ? await gather(name, context, progress, remark).finally(() => progress.stop())
        : (await control.ledger.latestGates(capability)).get(name)
    progress.stop()
    const outcome = judgeStored(name, stored, context, await control.now())
    outcomes.push(outcome)
    done?.(outcome)
  }
  return outcomes
}

/** Gathers one gate and records the result. */
export async function gather(
  name: GateName,
  context: EvaluateContext,
  progress: Progress = silentProgress,
  remark: (text: string) => void = () => {},
): Promise<StoredGateResult> {
  return record(name, await GATES[name].gather({ ...context, progress, remark }), context)
}

/** Writes a finding into the ledger, for the versions that it was measured on. */
export function record(
  name: GateName,
  finding: Finding,
  { control, capability, versions }: Pick<EvaluateContext, 'control' | 'capability' | 'versions'>,
): Promise<StoredGateResult> {
  return control.ledger.recordGate(capability, { gate: name, versions, ...finding })
}

/** How a stored result stands now: green only if it passed, is young, and was measured on what runs (invariant 9). */
export function judgeStored(
  name: GateName,
  stored: StoredGateResult | undefined,
  { capability, config, versions }: Pick<EvaluateContext, 'capability' | 'config' | 'versions'>,
  now: Date,
): GateOutcome {
  const command = GATES[name].command(capability)
  if (stored === undefined) {
    const summary = 'never measured'
    return { gate: name, green: false, verdict: 'missing', summary, id: null, measuredAt: null, command }
  }
  const { id, measuredAt } = stored
  const stale = whyStale(stored, versions, now, config.gates.freshness)
  if (stale !== null) return { gate: name, green: false, verdict: 'stale', summary: stale, id, measuredAt, command }
  const { verdict, summary } = stored
  const green = verdict === 'pass'
  return { gate: name, green, verdict, summary, id, measuredAt, command: green ? null : command }
}
