import type { Phase, Side } from '../phases/phase.ts'

/** What the ledger holds of one capability. */
export interface CapabilityState {
  readonly name: string
  readonly phase: Phase
  readonly owner: Side
  /** Grows with every move. */
  readonly epoch: number
  readonly phaseSince: Date
}

export type Verdict = 'pass' | 'fail' | 'inconclusive'

/** What evidence was gathered for: a gate's result counts only while each of these is what runs now (invariant 9). */
export type Versions = Readonly<Record<string, string>>

export interface GateResult {
  readonly gate: string
  readonly verdict: Verdict
  /** One line for a person: the figures beside their limits. */
  readonly summary: string
  readonly evidence: Readonly<Record<string, unknown>>
  readonly versions: Versions
}

export interface StoredGateResult extends GateResult {
  readonly id: number
  readonly measuredAt: Date
}

export interface JournalEntry {
  readonly id: number
  readonly at: Date
  readonly capability: string
  readonly actor: string
  readonly action: string
  readonly fromPhase: Phase | null
  readonly toPhase: Phase | null
  readonly epoch: number
  readonly reason: string | null
  readonly evidence: Readonly<Record<string, unknown>>
}

/** What a sync process says of one capability. */
export interface SyncStatus {
  readonly direction: 'forward' | 'reverse'
  readonly engine: string
  readonly state: 'waiting' | 'copying' | 'streaming' | 'stopped' | 'failed' | 'dropped'
  /** Rows of the first copy: done, and as far as the planner's statistics tell, in all. */
  readonly copiedRows: number
  readonly estimatedRows: number
  readonly appliedRows: number
  /** Changes that the target refused, and those behind them, which wait for a person. */
  readonly parked: number
  readonly lagRows: number
  readonly lagSeconds: number
  /** The engine's own words for its position, for a person. */
  readonly position: string | null
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string } | null
  /** Absent where it is not known, as before the slot is made. */
  readonly slot?: SlotRoom
}

/** The log that the source's server keeps for a slot, bytes. */
export interface SlotRoom {
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string
  readonly keptBytes: number
  /** What may be written until the server may give the slot up; below 0 it may do so any time. Null where it never does. */
  readonly leftBytes: number | null
}

/** Less is left than a fifth of what the server keeps for a slot at most. */
export function isNearlyLost({ keptBytes, leftBytes }: SlotRoom): boolean {
  return leftBytes !== null && leftBytes < keptBytes / 4
}

export interface StoredSyncStatus extends SyncStatus {
  readonly worker: string
  readonly reportedAt: Date
}

/** Requests of one side within a time. */
export interface SideTraffic {
  readonly requests: number
  readonly errors: number
}

/** Shadow comparisons of one route within a time. */
export interface ShadowCount {
  readonly route: string
  readonly matched: number
  readonly mismatched: number
  readonly ignored: number
  readonly example: unknown
}

/** What an edge counted within one minute of its clock. */
export interface MinuteCounts {
  /** Milliseconds from the first of them to the report. */
  readonly age: number
  readonly traffic: readonly { capability: string; side: Side; requests: number; errors: number }[]
  /** By the epoch that the decision to mirror was made on, which a move since may have left behind. */
  readonly shadow: readonly ({ capability: string; epoch: number } & ShadowCount)[]
}

/** What an edge counted since its last report. */
export interface EdgeReport {
  readonly edge: string
  /** The epoch of each capability that this edge acts on. */
  readonly epochs: Readonly<Record<string, number>>
  readonly flags: Readonly<Record<string, unknown>>
  /** The oldest first; those of a time without the ledger too. */
  readonly minutes: readonly MinuteCounts[]
}
