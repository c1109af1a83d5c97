import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { readProgress } from '../apply/progress.ts'
import type { ChangeSource } from '../change-source/change-source.ts'
import { slotName } from '../change-source/names.ts'
import { shapeFlows } from '../copy/first-copy.ts'
import type { Endpoint } from '../database/session.ts'
import { type Direction, flowsOf, type Sync } from '../mapping/flow.ts'
import { planFlows } from './settle-flows.ts'

export interface NextStartOptions {
  readonly source: { readonly endpoint: Endpoint; readonly client: Client }
  readonly target: { readonly endpoint: Endpoint; readonly client: Client }
  readonly capability: string
  readonly direction: Direction
  /** Fits both live schemas. */
  readonly sync: Sync
  readonly engine: ChangeSource['engine']
}

/**
 * Why a sync that carries rows already would not go on when it starts next, with the sync file as it is now: a table was taken
 * out, or one was added whose target holds rows. Null where nothing is in the way, or nothing is carried.
 */
export async function findRefusal(options: NextStartOptions): Promise<FicusError | null> {
  const { source, target, capability, direction, sync } = options
  const key = { capability, direction }
  const progress = await readProgress(target.client, key)
  if (progress?.state !== 'streaming' || progress.ledger === null) return null
  const flows = await shapeFlows(source.client, target.client, flowsOf(sync, direction))
  const publication = slotName({ ...key, ledger: progress.ledger }, source.endpoint.url)
  try {
    await planFlows({ ...options, key, flows, progress, publication })
    return null
  } catch (error) {
    if (error instanceof FicusError && !error.retry) return error
    throw error
  }
}
