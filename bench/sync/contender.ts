import { setTimeout as sleep } from 'node:timers/promises'
import type { Databases } from './clusters.ts'

/** What a contender's Node process used since it was started. */
export interface Usage {
  /** User and system. */
  readonly cpuSeconds: number
  /** The largest resident size, bytes; null where the system does not tell. */
  readonly peakMemory: number | null
}

/** How a contender's rows look at the target. */
export interface TargetTable {
  readonly name: string
  readonly id: string
  readonly stock: string
  /** The values of a row, in the order and form in which the source's digest reads its own. */
  readonly values: string
}

/** The source's own table, which PostgreSQL's replication keeps as it is. */
export const SOURCE_TABLE: TargetTable = {
  name: 'products',
  id: 'id',
  stock: 'stock',
  values: `id, sku, name_en, name_de, name_fr, category_id, (price * 100)::bigint, currency, stock, active, created_at, updated_at`,
}

/** One way to bring the source's rows to the target, as the benchmark drives it. */
export interface Contender extends AsyncDisposable {
  readonly table: TargetTable
  /** The first copy, from the word go till the target holds every row; then it streams. */
  copy(): Promise<void>
  /** Stops reading the slot; what is written from now on waits there. */
  detach(): Promise<void>
  /** Goes on. Resolves once the slot is read. */
  attach(): Promise<void>
  /** Null where there is no Node process. */
  usage(): Promise<Usage | null>
  /** @throws when it has failed, so that nobody waits for its rows. */
  assertWell(): void
}

/** Makes a contender that is ready to copy. What it starts is stopped by `resources` too, should the turn be broken off. */
export type OpenContender = (databases: Databases, resources: AsyncDisposableStack) => Promise<Contender>

/**
 * How it is looked whether a measurement is over: seldom enough to take no processor time from who is measured, since one
 * that uses all of it would lose by every look, and one that waits would not.
 */
export const LOOK = { everyMs: 25, timeoutMs: 600_000 } as const

/**
 * Looks every `everyMs` until `condition` holds.
 * @throws with `what` in the message after `timeoutMs`.
 */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  { everyMs, timeoutMs = 120_000 }: { readonly everyMs: number; readonly timeoutMs?: number },
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`)
    await sleep(everyMs)
  }
}

/** Waits until the source's slots are read, or no longer. */
export async function untilSlotIs(read: 'read' | 'left alone', { source }: Databases): Promise<void> {
  const check = `SELECT bool_or(active) AS active FROM pg_replication_slots WHERE database = current_database()`
  const condition = async () => {
    const { rows } = await source.query<{ active: boolean | null }>(check)
    return (rows[0]?.active === true) === (read === 'read')
  }
  await until(`the slot is to be ${read}`, condition, { everyMs: 2 })
}
