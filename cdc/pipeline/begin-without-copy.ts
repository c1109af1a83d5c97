import { quoteTable } from '@ficus/core/sql/identifier'
import { claimProgress, createProgressTable, type SyncKey } from '../apply/progress.ts'
import { slotName } from '../change-source/names.ts'
import type { Position } from '../change-source/position.ts'
import { createExportedSlot, createPublication, dropSlotAndPublication } from '../change-source/slot.ts'
import { copyTables, shapeFlows } from '../copy/first-copy.ts'
import { forgetNotes } from '../copy/flow-notes.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { assertMappingFits } from '../mapping/check-mapping.ts'
import { flowsOf, type Sync, sourceTables } from '../mapping/flow.ts'
import { planMirrors } from '../mirror/mirror-plan.ts'
import { createMirrors } from '../mirror/mirror-tables.ts'
import { forgetHistory } from './source-history.ts'
import { waitForTurn } from './turn.ts'

/** Nobody waits for the rows of a mirror but the caller. */
const MIRROR_COPY = { workers: 2, onProgress: () => {}, signal: new AbortController().signal }

export interface BeginOptions extends SyncKey {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly sync: Sync
  /** Whether standbies keep a copy of the slot, where they can; true unless given. */
  readonly failoverSlot?: boolean
}

/**
 * Makes a sync ready to stream from now on into a target that holds the rows already, as reverse sync finds the
 * monolith at the switch: publication, slot and position, and no copy but that of the mirrors, if the mapping needs any. Rows
 * that are not ours stay so: dropping this sync removes none of them. Where it was begun before, and not ended since,
 * nothing changes.
 *
 * @returns where the stream begins.
 * @throws FICUS_MAPPING_INVALID, FICUS_DATABASE_UNFIT, FICUS_DATABASE_UNREACHABLE, FICUS_LEDGER_MISMATCH, FICUS_LEASE_HELD.
 */
export async function beginWithoutCopy(options: BeginOptions): Promise<Position> {
  const { source, target, sync, capability, direction, ledger } = options
  const slot = slotName(options, source.url)
  return withSession(target, async writing => {
    await createProgressTable(writing, target)
    const before = await claimProgress(writing, options, target)
    if (before?.position != null) return before.position
    // Of two that begin at once the later would drop the slot that the position of the earlier counts on.
    await waitForTurn(writing, options)
    const begun = await claimProgress(writing, options, target)
    if (begun?.position != null) return begun.position
    await withSession(source, client => assertMappingFits(client, writing, sync, direction))
    // Before the slot: whoever drops this sync looks for the slot where there is a progress.
    await writing.query(
      `INSERT INTO ficus.progress AS p (capability, direction, state, ledger) VALUES ($1, $2, 'ended', $3)
       ON CONFLICT (capability, direction) DO UPDATE
         SET state = 'ended', epoch = p.epoch + 1, copied_rows = 0, applied_rows = 0, source_commit = NULL`,
      [capability, direction, ledger],
    )
    // The rows that are there are nobody's mapping but their owner's.
    await forgetNotes(writing, options)
    await forgetHistory(writing, options)
    await dropSlotAndPublication(source, slot)
    const mirrors = await withSession(source, async client => {
      await createPublication(client, source, slot, sourceTables(flowsOf(sync, direction)))
      return planMirrors(capability, await shapeFlows(client, writing, flowsOf(sync, direction)))
    })
    await createMirrors(writing, target, options, mirrors)
    await using exported = await createExportedSlot(source, slot, options.failoverSlot)
    if (mirrors.length > 0) await copyTables({ source, target, ...MIRROR_COPY }, exported.snapshot, mirrors)
    for (const { flow } of mirrors) await writing.query(`ANALYZE ${quoteTable(flow.to)}`)
    const position: Position = { lsn: exported.consistentPoint }
    await writing.query(
      `UPDATE ficus.progress SET state = 'streaming', position = $3, updated_at = clock_timestamp()
       WHERE capability = $1 AND direction = $2`,
      [capability, direction, JSON.stringify(position)],
    )
    return position
  })
}
