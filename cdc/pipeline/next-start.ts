import { FicusError } from '@ficus/core/errors/ficus-error'
import { readProgress } from '../apply/progress.ts'
import { slotName } from '../change-source/names.ts'
import { shapeFlows } from '../copy/first-copy.ts'
import { flowsOf } from '../mapping/flow.ts'
import { type PlanOptions, planFlows } from './settle-flows.ts'

/** Of a sync file that fits both live schemas. */
export interface NextStartOptions extends Pick<PlanOptions, 'source' | 'target' | 'direction' | 'sync' | 'engine'> {
  readonly capability: string
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
