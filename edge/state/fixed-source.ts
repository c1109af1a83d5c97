import type { CapabilityState, EdgeReport, MinuteCounts } from '@ficus/core/ledger/records'
import { PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import type { StateEvents, StateSource } from './state-source.ts'

/** Phases set by hand, for benchmarks and tests of the edge alone. */
export class FixedSource implements StateSource {
  /** What the edge reported, newest last. */
  readonly reports: EdgeReport[] = []
  #capabilities: readonly CapabilityState[]
  #events: StateEvents | undefined

  /** The traffic of all reports, entry by entry. */
  get traffic(): MinuteCounts['traffic'] {
    return this.reports.flatMap(({ minutes }) => minutes.flatMap(({ traffic }) => traffic))
  }

  /** The comparisons of all reports, entry by entry. */
  get shadow(): MinuteCounts['shadow'] {
    return this.reports.flatMap(({ minutes }) => minutes.flatMap(({ shadow }) => shadow))
  }

  constructor(phases: Readonly<Record<string, Phase>>) {
    this.#capabilities = Object.entries(phases).map(([name, phase]) => at(name, phase, 1))
  }

  async follow(events: StateEvents): Promise<void> {
    this.#events = events
    events.changed(this.#capabilities)
  }

  async report(report: EdgeReport): Promise<void> {
    this.reports.push(report)
  }

  move(capability: string, phase: Phase): void {
    this.#capabilities = this.#capabilities.map(state =>
      state.name === capability ? at(capability, phase, state.epoch + 1) : state,
    )
    this.#events?.changed(this.#capabilities)
  }

  async stop(): Promise<void> {}
}

function at(name: string, phase: Phase, epoch: number): CapabilityState {
  return { name, phase, owner: PHASE_RULES[phase].owner, epoch, phaseSince: new Date(0) }
}
