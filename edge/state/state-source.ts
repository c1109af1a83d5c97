import type { CapabilityState, EdgeReport } from '@ficus/core/ledger/records'

/** What a source of phases tells the edge. */
export interface StateEvents {
  /** The state of every capability: at the start, and whenever one moved. */
  changed(capabilities: readonly CapabilityState[]): void
  /** The source cannot be read; the edge goes on with the last state (invariant 12). */
  lost(error: unknown): void
  /** The source was read again; what moved meanwhile has been told before this. */
  regained(): void
}

/** Where phases come from and counts go to: the ledger, or values set by hand. */
export interface StateSource {
  /** Begins to follow. Resolves after the first answer or the first failure; never rejects for a source that is away. */
  follow(events: StateEvents): Promise<void>
  /** @throws FICUS_LEDGER_UNREACHABLE; the counts are then kept and sent with the next report. */
  report(report: EdgeReport): Promise<void>
  stop(): Promise<void>
}
