import { FicusError } from '@ficus/core/errors/ficus-error'
import type { SlotRoom } from '@ficus/core/ledger/records'
import type { Client } from 'pg'
import type { Endpoint } from '../database/session.ts'

/** What the server knows of a slot. */
export interface SlotState {
  readonly activePid: number | null
  readonly confirmedFlushLsn: string | null
  /** Why its changes are gone, where they are: `wal_removed`, say. */
  readonly lost: string | null
  /** Whose it is, where it is none of this database that sync could read. */
  readonly foreign: string | null
}

/** The slot's state, or null where there is none. */
export async function readSlot(client: Client, slot: string): Promise<SlotState | null> {
  const { rows } = await client.query<{
    active_pid: number | null
    wal_status: string | null
    confirmed_flush_lsn: string | null
    invalidation_reason: string | null
    foreign: string | null
  }>(
    `SELECT active_pid, wal_status, confirmed_flush_lsn::text,
            to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
            CASE WHEN slot_type <> 'logical' THEN 'is a ' || slot_type || ' one'
                 WHEN database <> current_database() THEN 'belongs to database ' || database
                 WHEN plugin <> 'pgoutput' THEN 'writes by plugin ' || plugin END AS foreign
     FROM pg_replication_slots s WHERE slot_name = $1`,
    [slot],
  )
  const [row] = rows
  if (row === undefined) return null
  const lost = row.invalidation_reason ?? (row.wal_status === 'lost' ? 'wal_removed' : null)
  return { activePid: row.active_pid, confirmedFlushLsn: row.confirmed_flush_lsn, lost, foreign: row.foreign }
}

/**
 * The state of a slot that is there, is ours and was not given up.
 * @throws FICUS_SLOT_LOST otherwise.
 */
export async function readHeldSlot(client: Client, source: Endpoint, slot: string): Promise<SlotState> {
  const state = await readSlot(client, slot)
  if (state === null) throw slotLost(source, slot, 'it does not exist')
  if (state.foreign !== null) throw slotReplaced(source, slot, state.foreign)
  if (state.lost !== null) throw slotInvalidated(source, slot, state.lost)
  return state
}

/** How much of the log the slot keeps, and how much more it may; null where there is no such slot, or no log is kept for it. */
export async function readSlotRoom(client: Client, slot: string): Promise<SlotRoom | null> {
  const { rows } = await client.query<{ status: string; kept: number; left: number | null }>(
    `SELECT wal_status AS status, safe_wal_size::float8 AS "left",
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 AS kept
     FROM pg_replication_slots WHERE slot_name = $1 AND restart_lsn IS NOT NULL`,
    [slot],
  )
  const [row] = rows
  return row === undefined ? null : { walStatus: row.status, keptBytes: row.kept, leftBytes: row.left }
}

export function slotLost(source: Endpoint, slot: string, why: string): FicusError {
  return new FicusError('FICUS_SLOT_LOST', `slot ${slot} of ${source.name} is lost: ${why}`)
}

const AGAIN = 'Roll the capability back to legacy and advance it again, which copies anew.'

/** What keeps it from happening again, by the reason that the server gives (pg_replication_slots.invalidation_reason). */
const PREVENTION: Readonly<Record<string, string>> = {
  wal_removed: 'Raise max_slot_wal_keep_size, or watch how far the slot is behind.',
  idle_timeout: 'Raise idle_replication_slot_timeout above the longest time for which sync may be down.',
  rows_removed: 'On a standby, set hot_standby_feedback = on.',
  wal_level_insufficient: 'Keep wal_level = logical.',
}

/** The error of a slot that the server gave up, and what keeps that from happening again. */
export function slotInvalidated(source: Endpoint, slot: string, reason: string): FicusError {
  return new FicusError(
    'FICUS_SLOT_LOST',
    `slot ${slot} of ${source.name} is lost: the server invalidated it (${reason})`,
    { remedy: `${AGAIN} ${PREVENTION[reason] ?? ''}`.trim(), details: { slot, reason } },
  )
}

function slotReplaced(source: Endpoint, slot: string, foreign: string): FicusError {
  return new FicusError(
    'FICUS_SLOT_LOST',
    `slot ${slot} of ${source.name} is not the one that sync made: it ${foreign}`,
    {
      remedy: `Does the address lead to the database that the sync began with? If somebody made a slot of this name: ${AGAIN}`,
    },
  )
}
