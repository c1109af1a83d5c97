import { setTimeout as sleep } from 'node:timers/promises'
import type { SlotRoom } from '@ficus/core/ledger/records'
import { readSlotRoom } from '../change-source/slot-state.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'

/** How often the source is asked; and while it has no such slot yet. */
const LOOK_MS = 10_000
const SOON_MS = 1_000

/**
 * Tells how much of the source's log a slot keeps, until `signal` is aborted; once at least. It does so whatever the sync does: a
 * slot fills up while it waits, is failed or copies. A source that does not answer is told of by whoever reads changes.
 */
export async function watchSlot(
  source: Endpoint,
  slot: string,
  signal: AbortSignal,
  tell: (room: SlotRoom | null) => void,
): Promise<void> {
  do {
    const room = await look(source, slot).catch(() => undefined)
    if (room !== undefined) tell(room)
    await sleep(room == null ? SOON_MS : LOOK_MS, undefined, { signal }).catch(() => {})
  } while (!signal.aborted)
}

/** A session of a moment: the server may have few to give. One that does not answer is left. */
async function look(source: Endpoint, slot: string): Promise<SlotRoom | null> {
  const client = await openSession(source)
  const timer = setTimeout(() => void endSession(client), SOON_MS)
  try {
    return await readSlotRoom(client, slot)
  } finally {
    clearTimeout(timer)
    await endSession(client)
  }
}
