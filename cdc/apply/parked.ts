import { systemCodeOf } from '@ficus/core/errors/ficus-error'
import pg, { type Client } from 'pg'
import type { ChangeEvent, EventRow } from '../change-event/change-event.ts'
import type { Change, ChangeBatch } from '../change-source/change-source.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import type { DescribedChange } from './describe-change.ts'
import { type ProgressKey, progressRow } from './progress.ts'
import { cutChange, type RawChange } from './raw-change.ts'

/** A change that waits in the target for a person. */
export interface ParkedChange {
  readonly id: number
  /** The source's table and those that the change goes to: `schema.table`. */
  readonly table: string
  readonly targets: readonly string[]
  readonly kind: Change['kind']
  /** Key column of the source -> its value as text. */
  readonly key: EventRow
  /** All keys that it blocks, in `keyText`'s form: two where it changes the key. */
  readonly blocks: readonly string[]
  /** Null where the target cannot even show it, or it is larger than jsonb can be. */
  readonly event: ChangeEvent | null
  /** What the target said; null where the change was not tried, since an earlier one of its key is parked. */
  readonly reason: string | null
  /** The same without a value of the row. */
  readonly plainReason: string | null
  readonly sqlState: string | null
  /** Position and commit time, by the source's clock, of the batch that it came in. */
  readonly position: string | null
  readonly sourceCommit: Date | null
  readonly parkedAt: Date
  /** How often it was tried again by hand, and what the target said last. */
  readonly attempts: number
  readonly lastError: string | null
}

/** What is wrong with a change that is parked: null where it only waits behind another one of its key. */
export interface Refusal {
  readonly reason: string
  readonly plainReason: string
  readonly sqlState: string | null
}

/** How a parked change ends. */
export type Outcome = 'applied' | 'discarded' | 'superseded' | 'dropped'

/** How a parked change ended, and who did it. */
export interface ParkedEnd {
  readonly outcome: Outcome
  readonly by: string
}

/** Changes of one key, or of several that changes of the key tie together, oldest first. They can only go together. */
export type ParkedGroup = readonly [ParkedChange, ...ParkedChange[]]

/** What a parked change blocks, without its rows, which may be large. */
export type Blockage = Pick<ParkedChange, 'id' | 'table' | 'blocks'>

/**
 * Writes a change into `ficus.parked`, in the transaction that `client` is in; without its event where that is larger than
 * jsonb can be, for the change itself is kept as it came. @returns its id.
 */
export async function insertParked(
  client: Client,
  key: ProgressKey,
  batch: Pick<ChangeBatch, 'data' | 'position' | 'lastCommit'>,
  change: Change,
  described: DescribedChange,
  refusal: Refusal | null,
): Promise<number> {
  const { relation, oldTuple, newTuple } = cutChange(batch.data, change)
  const insert = async (event: ChangeEvent | null) => {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO ficus.parked (capability, direction, source_table, targets, kind, key, blocks, event, relation,
         old_tuple, new_tuple, reason, sqlstate, position, source_commit, plain_reason)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
       RETURNING id`,
      [
        key.capability,
        key.direction,
        described.table,
        described.targets,
        change.kind,
        JSON.stringify(described.key),
        described.keys,
        event === null ? null : JSON.stringify(event),
        JSON.stringify(relation),
        oldTuple,
        newTuple,
        refusal?.reason ?? null,
        refusal?.sqlState ?? null,
        batch.position === null ? null : JSON.stringify(batch.position),
        batch.lastCommit === null ? null : new Date(batch.lastCommit),
        refusal?.plainReason ?? null,
      ],
    )
    return Number(rows[0]?.id)
  }
  if (described.event === null) return insert(null)
  await client.query('SAVEPOINT ficus_park')
  try {
    const id = await insert(described.event)
    await client.query('RELEASE SAVEPOINT ficus_park')
    return id
  } catch (error) {
    if (!isTooLarge(error)) throw error
    await client.query('ROLLBACK TO SAVEPOINT ficus_park; RELEASE SAVEPOINT ficus_park')
    return insert(null)
  }
}

/** PostgreSQL's jsonb ends at 256 MB (program_limit_exceeded), a JavaScript text at 512 MB. */
function isTooLarge(error: unknown): boolean {
  return systemCodeOf(error) === '54000' || error instanceof RangeError
}

/** Gives parked changes new ids, behind all others and in the order given. @returns these. */
export async function moveToEnd(client: Client, ids: readonly number[]): Promise<number[]> {
  const moved: number[] = []
  for (const id of ids) {
    const { rows } = await client.query<{ id: string }>(
      'UPDATE ficus.parked SET id = DEFAULT WHERE id = $1 RETURNING id',
      [id],
    )
    moved.push(Number(rows[0]?.id))
  }
  return moved
}

/** All parked changes, oldest first; none where the target has no such table yet. */
export async function readParked(client: Client, key: ProgressKey): Promise<ParkedChange[]> {
  if (!(await hasParkedTable(client))) return []
  const { rows } = await client.query<ParkedRow>(
    `SELECT id, source_table, targets, kind, key, blocks, event, reason, sqlstate, position ->> 'lsn' AS position,
            source_commit, parked_at, attempts, last_error, plain_reason
     FROM ficus.parked WHERE ${progressRow(key)} ORDER BY id`,
  )
  return rows.map(row => ({
    id: Number(row.id),
    table: row.source_table,
    targets: row.targets,
    kind: row.kind,
    key: row.key,
    blocks: row.blocks,
    event: row.event,
    reason: row.reason,
    plainReason: row.plain_reason,
    sqlState: row.sqlstate,
    position: row.position,
    sourceCommit: row.source_commit,
    parkedAt: row.parked_at,
    attempts: row.attempts,
    lastError: row.last_error,
  }))
}

/** What every parked change blocks, oldest first; none where the target has no such table yet. */
export async function readBlockages(client: Client, key: ProgressKey): Promise<Blockage[]> {
  if (!(await hasParkedTable(client))) return []
  const { rows } = await client.query<Pick<ParkedRow, 'id' | 'source_table' | 'blocks'>>(
    `SELECT id, source_table, blocks FROM ficus.parked WHERE ${progressRow(key)} ORDER BY id`,
  )
  return rows.map(({ id, source_table, blocks }) => ({ id: Number(id), table: source_table, blocks }))
}

/** The bytes of parked changes, oldest first. */
export async function readRawChanges(client: Client, ids: readonly number[]): Promise<RawChange[]> {
  const { rows } = await client.query<{
    kind: Change['kind']
    relation: RawChange['relation']
    old_tuple: Buffer | null
    new_tuple: Buffer | null
  }>('SELECT kind, relation, old_tuple, new_tuple FROM ficus.parked WHERE id = ANY ($1::bigint[]) ORDER BY id', [ids])
  return rows.map(row => ({
    kind: row.kind,
    relation: row.relation,
    oldTuple: row.old_tuple,
    newTuple: row.new_tuple,
  }))
}

/** How many changes are parked. */
export async function countParked(client: Client, key: ProgressKey): Promise<number> {
  if (!(await hasParkedTable(client))) return 0
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ficus.parked WHERE ${progressRow(key)}`,
  )
  return rows[0]?.count ?? 0
}

/**
 * Takes parked changes out and keeps what became of them, in the transaction that `client` is in.
 * @param which a condition on `ficus.parked`, besides the capability and direction.
 */
export async function closeParked(
  client: Client,
  key: ProgressKey,
  which: string,
  end: { readonly outcome: Outcome; readonly by: string; readonly reason: string | null },
): Promise<void> {
  await client.query(
    `WITH closed AS (DELETE FROM ficus.parked WHERE ${progressRow(key)} AND (${which}) RETURNING *)
     INSERT INTO ficus.parked_closed (id, capability, direction, source_table, kind, key, event, refusal, parked_at,
       attempts, outcome, closed_by, reason)
     SELECT id, capability, direction, source_table, kind, key, event, reason, parked_at, attempts, $1, $2, $3
     FROM closed`,
    [end.outcome, end.by, end.reason],
  )
}

/** How a change that is parked no longer ended; null where nothing is known of it. */
export async function readEnd(client: Client, id: number): Promise<ParkedEnd | null> {
  const { rows } = await client.query<{ outcome: Outcome; closed_by: string }>(
    'SELECT outcome, closed_by FROM ficus.parked_closed WHERE id = $1',
    [id],
  )
  const [end] = rows
  return end === undefined ? null : { outcome: end.outcome, by: end.closed_by }
}

/** Tells whoever applies, which reads it with the row lock, to look anew which keys are blocked. */
export async function tellBlockages(client: Client, key: ProgressKey): Promise<void> {
  await client.query(`UPDATE ficus.progress SET parked_version = parked_version + 1 WHERE ${progressRow(key)}`)
}

/** The condition that picks changes by their ids. */
export function withIds(ids: readonly number[]): string {
  return `id IN (${ids.map(id => pg.escapeLiteral(String(id))).join(', ')})`
}

/**
 * The keys of the source's tables that parked changes block: rows with these are known to differ.
 * @returns source table -> keys, each a map of key column -> value as text.
 * @throws FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function parkedKeys(
  target: Endpoint,
  key: ProgressKey,
): Promise<ReadonlyMap<string, readonly EventRow[]>> {
  const parked = await withSession(target, client => readBlockages(client, key))
  const tables = Map.groupBy(parked, change => change.table)
  return new Map(
    [...tables].map(([table, changes]) => {
      const keys = new Set(changes.flatMap(change => change.blocks))
      return [table, [...keys].map((text): EventRow => JSON.parse(text))]
    }),
  )
}

/** Puts together what blocks one another: changes that share a key, directly or by way of others. */
export function groupParked<T extends Blockage>(parked: readonly T[]): (readonly [T, ...T[]])[] {
  const groups = new Map<string, T[]>()
  for (const change of parked) {
    const keys = change.blocks.map(key => `${change.table} ${key}`)
    const tied = new Set(keys.flatMap(key => groups.get(key) ?? []))
    const group = [...tied, change].toSorted((a, b) => a.id - b.id)
    const reached = group.flatMap(member => member.blocks.map(key => `${member.table} ${key}`))
    for (const key of reached) groups.set(key, group)
  }
  return [...new Set(groups.values())]
    .filter((group): group is [T, ...T[]] => group.length > 0)
    .toSorted(([a], [b]) => a.id - b.id)
}

async function hasParkedTable(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('ficus.parked') IS NOT NULL AS there`)
  return rows[0]?.there === true
}

interface ParkedRow {
  id: string
  source_table: string
  targets: string[]
  kind: Change['kind']
  key: EventRow
  blocks: string[]
  event: ChangeEvent | null
  reason: string | null
  sqlstate: string | null
  position: string | null
  source_commit: Date | null
  parked_at: Date
  attempts: number
  last_error: string | null
  plain_reason: string | null
}
