import { FicusError } from '../errors/ficus-error.ts'
import type { Phase, Side } from '../phases/phase.ts'
import type { CapabilityState, JournalEntry, StoredGateResult, Verdict } from './records.ts'

// Rows as the driver gives them (bigint comes as text), and the records that they become.

export interface CapabilityRow {
  name: string
  phase: Phase
  owner: Side
  epoch: string
  phase_since: Date
}

export interface GateRow {
  id: string
  gate: string
  verdict: Verdict
  summary: string
  evidence: Record<string, unknown>
  versions: Record<string, string>
  measured_at: Date
}

export interface JournalRow {
  id: string
  at: Date
  capability: string
  actor: string
  action: string
  from_phase: Phase | null
  to_phase: Phase | null
  epoch: string
  reason: string | null
  evidence: Record<string, unknown>
}

export function toCapability(row: CapabilityRow | undefined): CapabilityState {
  if (row === undefined) throw new FicusError('FICUS_INTERNAL', 'a capability vanished from the ledger')
  return {
    name: row.name,
    phase: row.phase,
    owner: row.owner,
    epoch: Number(row.epoch),
    phaseSince: row.phase_since,
  }
}

export function toGateResult(row: GateRow | undefined): StoredGateResult {
  if (row === undefined) throw new FicusError('FICUS_INTERNAL', 'a gate result was not stored')
  return {
    id: Number(row.id),
    gate: row.gate,
    verdict: row.verdict,
    summary: row.summary,
    evidence: row.evidence,
    versions: row.versions,
    measuredAt: row.measured_at,
  }
}

export function toJournalEntry(row: JournalRow): JournalEntry {
  return {
    id: Number(row.id),
    at: row.at,
    capability: row.capability,
    actor: row.actor,
    action: row.action,
    fromPhase: row.from_phase,
    toPhase: row.to_phase,
    epoch: Number(row.epoch),
    reason: row.reason,
    evidence: row.evidence,
  }
}
