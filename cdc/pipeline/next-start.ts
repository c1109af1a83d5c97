import { FicusError } from '@ficus/core/errors/ficus-error'
import { readProgress } from '../apply/progress.ts'
import { assertCarriable } from '../change-source/engine.ts'
import { slotName } from '../change-source/names.ts'
import { shapeFlows } from '../copy/first-copy.ts'
import { flowsOf } from '../mapping/flow.ts'
import { planMirrors } from '../mirror/mirror-plan.ts'
import { type PlanOptions, planFlows } from './settle-flows.ts'

/** Of a sync file that fits both live schemas. */
export interface NextStartOptions extends Pick<PlanOptions, 'source' | 'target' | 'direction' | 'sync' | 'engine'> {
  readonly capability: string
}

/**
 * Why a sync would not start next with the sync file as it is now: the engine cannot carry a table, or, where rows are carried
 * already, one was taken out, or one added whose target holds rows. Null where nothing is in the way.
 */
export async function findRefusal(options: NextStartOptions): Promise<FicusError | null> {
  const { source, target, capability, direction, sync, engine } = options
  const key = { capability, direction }
  const flows = await shapeFlows(source.client, target.client, flowsOf(sync, direction))
  const carried = [...flows, ...planMirrors(capability, flows)].map(({ flow }) => flow)
  try {
    await assertCarriable(engine, source.client, carried)
    const progress = await readProgress(target.client, key)
    if (progress?.state !== 'streaming' || progress.ledger === null) return null
    const publication = slotName({ ...key, ledger: progress.ledger }, source.endpoint.url)
    await planFlows({ ...options, key, flows, progress, publication })
    return null
  } catch (error) {
    if (error instanceof FicusError && !error.retry) return error
    throw error
  }
}
