import { setTimeout as delay } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { CapabilityState } from '@ficus/core/ledger/records'
import type { Control } from '../control.ts'
import { SYNC_SILENT_SECONDS, type SyncReport } from '../gate/lag.ts'
import { dropSync } from '../joint/cdc.ts'
import { syncFailure } from './sync-failure.ts'

/** How long a sync process that is alive gets to drop what it made, milliseconds. */
const PATIENCE = 60_000
const POLL = 200

/** What `finishDrop` tells while it works. */
export interface DropEvents {
  /** Who is waited for: the sync process, or this command itself. */
  dropping?(by: 'sync' | 'ficus'): void
}

/** Whether what sync made is gone, and if not, who is to remove it. */
export type DropStep = 'done' | 'wait' | 'take over'

/** @param since when the capability became legacy: an older report tells of an earlier time. */
export function dropStep(report: (SyncReport & { readonly reportedAt: Date }) | null, since: Date): DropStep {
  if (report === null) return 'take over'
  if (report.state === 'dropped' && report.reportedAt >= since) return 'done'
  return report.ageSeconds > SYNC_SILENT_SECONDS ? 'take over' : 'wait'
}

/**
 * Whether a way back to legacy was broken off before all was removed, as far as the ledger tells. A capability that never
 * left legacy has nothing to remove.
 */
export async function dropIsUnfinished({ ledger }: Control, state: CapabilityState): Promise<boolean> {
  if (state.phase !== 'legacy' || state.epoch === 0) return false
  return dropStep(await ledger.syncStatus(state.name), state.phaseSince) !== 'done'
}

/**
 * Sees to it that slot, publication and copied rows of a capability that became legacy are gone. A live sync process
 * does it when it sees the phase; where none lives, it is done here.
 * @throws the error that a live sync process reports; FICUS_SYNC_BEHIND where it reports none and does not come to an end.
 */
export async function finishDrop(
  control: Control,
  state: CapabilityState,
  events: DropEvents,
  signal: AbortSignal,
): Promise<'sync' | 'ficus'> {
  const { ledger } = control
  const deadline = Date.now() + PATIENCE
  let told = false
  for (;;) {
    const report = await ledger.syncStatus(state.name)
    const step = dropStep(report, state.phaseSince)
    if (step === 'done') return 'sync'
    if (step === 'take over') break
    if (!told) events.dropping?.('sync')
    told = true
    if (Date.now() > deadline) {
      if (report?.error) throw syncFailure(state.name, report.error)
      throw new FicusError(
        'FICUS_SYNC_BEHIND',
        `${state.name} is legacy, but its sync process is still ${report?.state}`,
        {
          remedy: `Look at the sync process's log, or stop it, then run \`ficus rollback ${state.name} --to legacy\` again.`,
        },
      )
    }
    await delay(POLL, undefined, { signal })
  }
  events.dropping?.('ficus')
  await dropSync(control.loaded, state.name, await ledger.id())
  await ledger.reportSync(state.name, control.holder, {
    direction: 'forward',
    engine: control.loaded.migration.cdc.engine,
    state: 'dropped',
    copiedRows: 0,
    estimatedRows: 0,
    appliedRows: 0,
    parked: 0,
    lagRows: 0,
    lagSeconds: 0,
    position: null,
    error: null,
  })
  return 'ficus'
}
