import { parseTableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { closeParked } from '../apply/parked.ts'
import { claimProgress, createProgressTable, type Progress, readProgress, type SyncKey } from '../apply/progress.ts'
import { dropOrigin } from '../apply/writer-session.ts'
import type { ChangeSourceFactory } from '../change-source/change-source.ts'
import { originName, slotName } from '../change-source/names.ts'
import { dropSlotAndPublication } from '../change-source/slot.ts'
import { restoreIndexes } from '../copy/deferred-indexes.ts'
import { forgetNotes } from '../copy/flow-notes.ts'
import { emptyTables } from '../copy/target-tables.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { forgetComparisons } from '../diff/diff-state.ts'
import { assertDroppable, dropMadeTables } from './made-tables.ts'
import { passSyncPoint } from './points.ts'
import { forgetHistory } from './source-history.ts'
import { waitForTurn } from './turn.ts'

/** A sync that is to be removed. What it mapped does not matter: whoever cannot read the sync file can still go back. */
export interface DropOptions extends SyncKey {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly engine: ChangeSourceFactory
}

/** What there was to remove. */
export interface Dropped {
  /** False where there was no sync: then nothing was touched. */
  readonly existed: boolean
}

/**
 * The way back to legacy: removes connector, slot and publication, and from the target the origin, the position, the copied
 * rows and the tables that sync made. May be run again after it was broken off; the rows go last, together with the note
 * that they are ours.
 * @throws FICUS_LEASE_HELD while a worker still runs; FICUS_LEDGER_MISMATCH where another ledger began this sync;
 *   FICUS_DATABASE_UNFIT where something of others depends on those tables. Slot and position are still there then.
 */
export async function dropSync(options: DropOptions): Promise<Dropped> {
  const { target } = options
  const prepare = (client: Client, { made }: Progress) => assertDroppable(client, target, made)
  return removeFlow(options, prepare, async (client, progress) => {
    await client.query('BEGIN')
    await emptyTables(client, progress.tables.map(parseTableName))
    await dropMadeTables(client, target, progress.made)
    await closeParked(client, options, 'true', DROPPED)
    await forgetNotes(client, options)
    await forgetHistory(client, options)
    await forgetComparisons(client, options)
    await client.query('DELETE FROM ficus.progress WHERE capability = $1 AND direction = $2', [
      options.capability,
      options.direction,
    ])
    await client.query('COMMIT')
  })
}

/**
 * Ends a direction for good, as a switch does with the one that it leaves: connector, slot, publication and origin go, so
 * that the source need not keep its log; every row stays, with the note of which are ours. It goes on only after
 * `beginWithoutCopy` has recorded a new start.
 * @throws as `dropSync`.
 */
export async function endSync(options: DropOptions): Promise<Dropped> {
  const prepare = async () => {}
  return removeFlow(options, prepare, async client => {
    await client.query('BEGIN')
    await closeParked(client, options, 'true', DROPPED)
    await client.query(
      `UPDATE ficus.progress SET state = 'ended', position = NULL, updated_at = clock_timestamp()
       WHERE capability = $1 AND direction = $2`,
      [options.capability, options.direction],
    )
    await forgetHistory(client, options)
    await client.query('COMMIT')
  })
}

/** What becomes of changes that are still parked: nobody could apply them any more. */
const DROPPED = { outcome: 'dropped', by: 'sync', reason: null } as const

/** Does `prepare` in the target, removes what carries rows, then does `finish` in the target. */
async function removeFlow(
  options: DropOptions,
  prepare: (client: Client, progress: Progress) => Promise<void>,
  finish: (client: Client, progress: Progress) => Promise<void>,
): Promise<Dropped> {
  const { source, target, engine } = options
  return withSession(target, async client => {
    // The progress is written before the slot is made: a slot without one belongs to another migration.
    if ((await readProgress(client, options)) === null) return { existed: false }
    await createProgressTable(client, target)
    // Before anything is waited for: whom it does not belong to has no reason to wait.
    await claimProgress(client, options, target)
    await waitForTurn(client, options)
    const progress = await claimProgress(client, options, target)
    if (progress === null) return { existed: false }
    await prepare(client, progress)
    await restoreIndexes(client, options)
    const slot = slotName(options, source.url)
    await dropFromEngine(engine, options, slot)
    await dropSlotAndPublication(source, slot)
    passSyncPoint('drop.slot')
    await dropOrigin(client, originName(options, target.url))
    await finish(client, progress)
    return { existed: true }
  })
}

/** What the engine made besides the slot: it is found by names alone. */
async function dropFromEngine(
  engine: ChangeSourceFactory,
  { capability, direction, source }: DropOptions,
  slot: string,
): Promise<void> {
  const dropping = engine({
    capability,
    direction,
    source,
    slot,
    publication: slot,
    tables: [],
    columnsRead: () => new Set(),
    batchRows: 1,
    ignoredOrigins: [],
  })
  await dropping.drop()
}
