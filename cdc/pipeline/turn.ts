import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import type { Direction } from '../mapping/flow.ts'

const POLL_MS = 100
const LOCK = `hashtext('ficus sync'), hashtext($1)`

/**
 * Takes the turn to carry a capability's rows in one direction: a lock in the target database that ends with the
 * session. Returns whether it was had within `patienceMs`.
 */
export async function takeTurn(
  session: Client,
  capability: string,
  direction: Direction,
  patienceMs = 0,
): Promise<boolean> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const { rows } = await session.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${LOCK}) AS taken`, [
      `${capability} ${direction}`,
    ])
    if (rows[0]?.taken === true) return true
    if (performance.now() >= deadline) return false
    await sleep(POLL_MS)
  }
}

/** Whether somebody else has the turn now. */
export async function turnIsTaken(session: Client, capability: string, direction: Direction): Promise<boolean> {
  if (!(await takeTurn(session, capability, direction))) return true
  await session.query(`SELECT pg_advisory_unlock(${LOCK})`, [`${capability} ${direction}`])
  return false
}
