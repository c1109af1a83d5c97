import { groupParked, type ParkedGroup, readParked } from '@ficus/cdc/apply/parked'
import { showKey } from '@ficus/cdc/apply/refusal'
import { type Chosen, discardParked, type Retried, retryParked } from '@ficus/cdc/apply/retry-parked'
import { withSession } from '@ficus/cdc/database/session'
import { endpointsOf, loadSyncOf, triggersOf } from '@ficus/cdc/worker/capability-sync'
import type { Control } from '../control.ts'
import { directionOf } from './direction.ts'

// What control asks of cdc about parked changes.

export type { Chosen, ParkedGroup, Retried }
export { showKey }

/** The changes that are parked in the direction in which the capability's phase carries rows, oldest first. */
export async function listParked(control: Control, capability: string): Promise<ParkedGroup[]> {
  const key = await keyOf(control, capability)
  const { target } = endpointsOf(control.loaded, capability, key.direction)
  return groupParked(await withSession(target, client => readParked(client, key)))
}

/** @param watch is told of each group that was applied. @throws FICUS_USAGE where no such change is parked. */
export async function retry(
  control: Control,
  capability: string,
  chosen: Chosen,
  watch: { readonly signal: AbortSignal; onApplied(group: ParkedGroup): void },
): Promise<Retried> {
  const key = await keyOf(control, capability)
  const { loaded, actor } = control
  return retryParked(
    {
      ...key,
      ...endpointsOf(loaded, capability, key.direction),
      sync: await loadSyncOf(loaded, capability),
      triggers: triggersOf(loaded, capability, key.direction),
      by: actor,
      ...watch,
    },
    chosen,
  )
}

/** @throws FICUS_USAGE where no such change is parked. */
export async function discard(
  control: Control,
  capability: string,
  chosen: Chosen,
  reason: string,
): Promise<readonly ParkedGroup[]> {
  const key = await keyOf(control, capability)
  const { target } = endpointsOf(control.loaded, capability, key.direction)
  return discardParked({ ...key, target, by: control.actor, reason }, chosen)
}

async function keyOf(control: Control, capability: string) {
  const direction = await directionOf(control, capability)
  return { capability, direction, ledger: await control.ledger.id() } as const
}
