import type { Progress, ProgressKey } from '../apply/progress.ts'
import { createProgressTable, readProgress } from '../apply/progress.ts'
import { slotName } from '../change-source/names.ts'
import type { Position } from '../change-source/position.ts'
import { createExportedSlot, createPublication, dropSlotAndPublication } from '../change-source/slot.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { assertMappingFits } from '../mapping/check-mapping.ts'
import { flowsOf, type Sync } from '../mapping/flow.ts'

export interface BeginOptions extends ProgressKey {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly sync: Sync
}

/**
 * Makes a sync ready to stream from now on into a target that holds the rows already, as reverse sync finds the
 * monolith at the switch: publication, slot and position, and no copy. Its rows are never counted as ours, so dropping
 * this sync removes none of them. Where it was begun before, nothing changes.
 *
 * @returns where the stream begins.
 * @throws FICUS_MAPPING_INVALID, FICUS_DATABASE_UNFIT, FICUS_DATABASE_UNREACHABLE.
 */
export async function beginWithoutCopy(options: BeginOptions): Promise<Position> {
  const { source, target, sync, capability, direction } = options
  const slot = slotName(capability, direction, source.url)
  return withSession(target, async writing => {
    await createProgressTable(writing, target)
    const begun: Progress | null = await readProgress(writing, options)
    if (begun?.position != null) return begun.position
    await dropSlotAndPublication(source, slot)
    await withSession(source, async client => {
      await assertMappingFits(client, writing, sync, direction)
      const tables = flowsOf(sync, direction).map(flow => flow.from)
      await createPublication(client, source, slot, tables)
    })
    await using exported = await createExportedSlot(source, slot)
    const position: Position = { lsn: exported.consistentPoint }
    await writing.query(
      `INSERT INTO ficus.progress (capability, direction, state, position) VALUES ($1, $2, 'streaming', $3)`,
      [capability, direction, JSON.stringify(position)],
    )
    return position
  })
}
