import { FicusError } from '@ficus/core/errors/ficus-error'
import { parseTableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { readProgress } from '../apply/progress.ts'
import { dropOrigin } from '../apply/writer-session.ts'
import { originName, slotName } from '../change-source/names.ts'
import { dropSlotAndPublication } from '../change-source/slot.ts'
import { emptyTables } from '../copy/target-tables.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import type { Direction } from '../mapping/flow.ts'
import { passSyncPoint } from './points.ts'
import { takeTurn } from './turn.ts'

export interface DropOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly capability: string
  readonly direction: Direction
}

/** What there was to remove. */
export interface Dropped {
  /** False where there was no sync: then no row was touched. */
  readonly existed: boolean
}

/**
 * The way back to legacy: removes slot and publication from the source, and from the target the origin, the
 * position and the copied rows. May be run again after it was broken off; the rows go last, together with the note that they are ours.
 * What an engine made besides (`ChangeSource.drop`) is the caller's to remove first.
 * @throws FICUS_LEASE_HELD while a worker still runs.
 */
export async function dropSync(options: DropOptions): Promise<Dropped> {
  const { source, target, capability, direction } = options
  return withSession(target, async client => {
    await waitForTurn(client, options)
    // The progress is written before the slot is made: a slot without one belongs to another migration.
    const progress = await readProgress(client, options)
    if (progress === null) return { existed: false }
    await dropSlotAndPublication(source, slotName(capability, direction, source.url))
    passSyncPoint('drop.slot')
    await dropOrigin(client, originName(capability, direction, target.url))
    await client.query('BEGIN')
    await emptyTables(client, progress.tables.map(parseTableName))
    await client.query('DELETE FROM ficus.progress WHERE capability = $1 AND direction = $2', [capability, direction])
    await client.query('COMMIT')
    return { existed: true }
  })
}

/** A worker that was told to stop needs a moment. */
const PATIENCE_MS = 10_000

async function waitForTurn(client: Client, { capability, direction }: DropOptions): Promise<void> {
  const taken = await takeTurn(client, capability, direction, PATIENCE_MS)
  if (taken) return
  throw new FicusError('FICUS_LEASE_HELD', `a sync process still carries the ${direction} sync of ${capability}`, {
    remedy: 'Stop that process, or wait until it has seen the new phase.',
  })
}
