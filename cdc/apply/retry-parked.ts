import type { Triggers } from '@ficus/core/config/schema'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { originName } from '../change-source/names.ts'
import { shapeFlows } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { flowsOf, type Sync } from '../mapping/flow.ts'
import { inDependencyOrder } from '../mapping/table-order.ts'
import { planMirrors } from '../mirror/mirror-plan.ts'
import { Applier, type ApplierOptions } from './applier.ts'
import {
  closeParked,
  groupParked,
  type ParkedEnd,
  type ParkedGroup,
  readBlockages,
  readEnd,
  readParked,
  readRawChanges,
  tellBlockages,
  withIds,
} from './parked.ts'
import { claimProgress, lockProgress, type SyncKey } from './progress.ts'
import { joinChanges } from './raw-change.ts'

/** Which parked changes are meant: a change stands for its whole group, a source table (`schema.table`) for those of its rows. */
export type Chosen = 'all' | number | { readonly table: string }

export interface RetryOptions extends SyncKey {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly sync: Sync
  readonly triggers?: Triggers
  /** Who asks for it. */
  readonly by: string
  readonly signal?: AbortSignal
  /** Source tables whose new rows may be there already, since they were read beside the stream. */
  readonly expected?: ReadonlySet<string>
  /** Told of each group at once: what is applied stays so, whatever comes of the others. */
  onApplied?(group: ParkedGroup): void
}

/** What became of the groups that were tried again. */
export interface Retried {
  readonly applied: readonly ParkedGroup[]
  readonly refused: readonly { readonly group: ParkedGroup; readonly reason: string }[]
  /** Those that another person, a TRUNCATE or the end of the sync closed meanwhile. */
  readonly closed: readonly ({ readonly group: ParkedGroup } & ParkedEnd)[]
}

/** What became of one group. */
type Attempt = 'applied' | ParkedEnd | { readonly reason: string }

/**
 * Applies parked changes by the mapping as it is now, each group in one transaction and by the same merge that the stream
 * takes; what the target takes is parked no longer. A group may need what another one brings (a parent's row), so the
 * refused ones are tried as long as any other succeeds. Works beside a running sync, whose batches wait meanwhile.
 * @throws FICUS_USAGE where there is no such parked change; FICUS_SYNC_BEHIND where the sync is dropped meanwhile, or copies
 *   anew; FICUS_LEDGER_MISMATCH; FICUS_DATABASE_UNREACHABLE, …
 */
export async function retryParked(options: RetryOptions, chosen: Chosen): Promise<Retried> {
  const { target } = options
  const groups = await withSession(target, client => chooseGroups(client, options, chosen))
  if (groups.length === 0) return { applied: [], refused: [], closed: [] }
  const applier = await applierOptions(options)
  const applied: ParkedGroup[] = []
  const closed: ({ readonly group: ParkedGroup } & ParkedEnd)[] = []
  let left: Retried['refused'] = groups.map(group => ({ group, reason: '' }))
  for (let before = left.length + 1; left.length > 0 && left.length < before; ) {
    before = left.length
    const refused: { group: ParkedGroup; reason: string }[] = []
    for (const { group } of left) {
      options.signal?.throwIfAborted()
      const attempt = await retryGroup(options, applier, group)
      if (attempt === 'applied') {
        applied.push(group)
        options.onApplied?.(group)
      } else if ('reason' in attempt) refused.push({ group, ...attempt })
      else closed.push({ group, ...attempt })
    }
    left = refused
  }
  await withSession(target, client => noteAttempts(client, left))
  return { applied, refused: left, closed }
}

/**
 * Takes parked changes out without applying them: their rows stay different until a later change of them, or a repair.
 * @returns what was discarded.
 * @throws FICUS_USAGE where there is no such parked change; FICUS_LEDGER_MISMATCH; FICUS_DATABASE_UNREACHABLE, …
 */
export async function discardParked(
  options: SyncKey & { readonly target: Endpoint; readonly by: string; readonly reason: string },
  chosen: Chosen,
): Promise<readonly ParkedGroup[]> {
  return withSession(options.target, async client => {
    // Where nothing was ever synced nothing is parked, and there is no row to lock.
    if ((await claimProgress(client, options, options.target)) === null) return chooseGroups(client, options, chosen)
    await client.query(`BEGIN; ${lockProgress(options)}`)
    const groups = await chooseGroups(client, options, chosen)
    const ids = groups.flat().map(({ id }) => id)
    if (ids.length > 0) {
      await closeParked(client, options, withIds(ids), {
        outcome: 'discarded',
        by: options.by,
        reason: options.reason,
      })
      await tellBlockages(client, options)
    }
    await client.query('COMMIT')
    return groups
  })
}

/** @returns the groups that are meant, oldest first. */
export async function chooseGroups(client: Client, key: SyncKey, chosen: Chosen): Promise<ParkedGroup[]> {
  const groups = groupParked(await readParked(client, key))
  if (chosen === 'all') return groups
  if (typeof chosen === 'object') return groups.filter(changes => changes.some(({ table }) => table === chosen.table))
  const group = groups.filter(changes => changes.some(({ id }) => id === chosen))
  if (group.length > 0) return group
  throw new FicusError('FICUS_USAGE', `no change ${chosen} of ${key.capability} is parked`, {
    remedy: `\`ficus parked ${key.capability}\` lists those that are.`,
  })
}

async function retryGroup(options: RetryOptions, how: ApplierOptions, group: ParkedGroup): Promise<Attempt> {
  const applier = await Applier.open(how)
  try {
    if (options.expected !== undefined) applier.expectRows(options.expected)
    let ids: number[] = []
    let end: ParkedEnd | null = null
    await applier.applyParked(
      async client => {
        // Under the lock: more may have been parked behind it since it was looked at.
        const groups = groupParked(await readBlockages(client, options))
        ids = groups.find(changes => changes.some(({ id }) => id === group[0].id))?.map(({ id }) => id) ?? []
        if (ids.length === 0) end = await readEnd(client, group[0].id)
        return joinChanges(await readRawChanges(client, ids))
      },
      async client => {
        if (ids.length === 0) return
        await closeParked(client, options, withIds(ids), { outcome: 'applied', by: options.by, reason: null })
        await tellBlockages(client, options)
      },
    )
    if (ids.length > 0) return 'applied'
    return end ?? { outcome: 'dropped', by: 'sync' }
  } catch (error) {
    // A shape of the table that the mapping fits no longer is a matter of this group alone.
    const misfit = error instanceof FicusError && error.code === 'FICUS_SOURCE_CHANGED'
    if (!misfit && judgeFailure(error) !== 'data') throw error
    return { reason: messageOf(error) }
  } finally {
    await applier.close()
  }
}

/** What an applier that works beside the worker of a sync needs to know. @throws FICUS_SYNC_NOT_BEGUN, FICUS_LEDGER_MISMATCH */
export async function applierOptions(options: Omit<RetryOptions, 'by'>): Promise<ApplierOptions> {
  const { source, target, sync, direction, capability, triggers } = options
  return withSession(source, from =>
    withSession(target, async to => {
      const progress = await claimProgress(to, options, target)
      const shaped = await shapeFlows(from, to, flowsOf(sync, direction))
      const flows = await inDependencyOrder(to, shaped, ({ flow }) => flow.to)
      if (progress?.position == null) {
        throw new FicusError('FICUS_SYNC_NOT_BEGUN', `the ${direction} sync of ${capability} does not stream`)
      }
      const mirrors = planMirrors(capability, flows)
      const origin = originName(options, target.url)
      return { source, target, key: options, flows, mirrors, origin, triggers, progress, maxParked: 0 }
    }),
  )
}

async function noteAttempts(client: Client, refused: Retried['refused']): Promise<void> {
  for (const { group, reason } of refused) {
    await client.query('UPDATE ficus.parked SET attempts = attempts + 1, last_error = $2 WHERE id = $1', [
      group[0].id,
      reason,
    ])
  }
}
