import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import type { ProgressKey } from '../apply/progress.ts'
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

/** A worker that was told to stop needs a moment. */
const PATIENCE_MS = 10_000

/** Takes the turn to begin or to remove a sync. @throws FICUS_LEASE_HELD while somebody else keeps it. */
export async function waitForTurn(session: Client, { capability, direction }: ProgressKey): Promise<void> {
  if (await takeTurn(session, capability, direction, PATIENCE_MS)) return
  throw new FicusError('FICUS_LEASE_HELD', `a sync process still carries the ${direction} sync of ${capability}`, {
    remedy: 'Stop that process, or wait until it has seen the new phase.',
  })
}

/** Whether somebody has the turn now. It is only looked at: two that took it to see would each take the other for its holder. */
export async function turnIsTaken(session: Client, capability: string, direction: Direction): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>(
    `SELECT EXISTS (
       SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database
       WHERE d.datname = current_database() AND locktype = 'advisory' AND granted
         AND (classid, objid, objsubid) = (hashtext('ficus sync')::oid, hashtext($1)::oid, 2)
     ) AS taken`,
    [`${capability} ${direction}`],
  )
  return rows[0]?.taken ?? false
}
