import { FicusError } from '@ficus/core/errors/ficus-error'
import type { CapabilityState, SideTraffic, StoredGateResult, StoredSyncStatus } from '@ficus/core/ledger/records'
import type { Control } from '../control.ts'
import { type DialEffect, type Dials, dialEffects, readDials } from '../dial/dials.ts'
import { toFicusError } from '../terminal/report-error.ts'

/** An edge that reported within this many seconds lives. */
const EDGE_ALIVE_SECONDS = 10
const TRAFFIC_MINUTES = 5

/** How one capability stands. */
export interface CapabilityStatus {
  readonly state: CapabilityState
  /** Null where the flag server cannot be asked; `dialsError` says why. */
  readonly dials: Readonly<Record<keyof Dials, DialEffect>> | null
  readonly dialsError: FicusError | null
  readonly sync: (StoredSyncStatus & { readonly ageSeconds: number }) | null
  /** The newest result of each gate that was measured. */
  readonly gates: readonly StoredGateResult[]
  /** Of the last five minutes. */
  readonly traffic: Readonly<Record<'monolith' | 'service', SideTraffic>>
}

/** How all of them stand, at one moment of the ledger's clock. */
export interface Status {
  readonly now: Date
  readonly capabilities: readonly CapabilityStatus[]
  /** Live edges, and the epoch of each capability that they act on. */
  readonly edges: readonly { readonly id: string; readonly epochs: Readonly<Record<string, number>> }[]
}

/**
 * Reads everything from the ledger and the dials from the flag server; without the flag server the rest is still told.
 * @throws FICUS_LEDGER_UNREACHABLE
 */
export async function gatherStatus(control: Control, names: readonly string[]): Promise<Status> {
  const now = await control.now()
  const capabilities = await Promise.all(names.map(name => gatherCapability(control, name, now)))
  const edges = await control.ledger.liveEdges(EDGE_ALIVE_SECONDS)
  return { now, capabilities, edges: edges.map(({ id, epochs }) => ({ id, epochs })) }
}

async function gatherCapability(control: Control, name: string, now: Date): Promise<CapabilityStatus> {
  const since = new Date(now.getTime() - TRAFFIC_MINUTES * 60_000)
  const [state, sync, gates, traffic, dials] = await Promise.all([
    control.ledger.capability(name),
    control.ledger.syncStatus(name),
    control.ledger.latestGates(name),
    control.ledger.traffic(name, since),
    dialsOf(control, name),
  ])
  const known = dials instanceof FicusError ? null : dialEffects(state.phase, dials)
  return {
    state,
    dials: known,
    dialsError: dials instanceof FicusError ? dials : null,
    sync,
    gates: [...gates.values()],
    traffic,
  }
}

async function dialsOf(control: Control, capability: string): Promise<Dials | FicusError> {
  try {
    return await readDials(control, capability)
  } catch (error) {
    return toFicusError(error)
  }
}
