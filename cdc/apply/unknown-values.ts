import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { StreamEnded } from '../change-source/change-source.ts'
import { readSnapshot, Unsettled } from '../copy/visibility.ts'
import { assertNotRewritten } from '../database/rewritten.ts'
import { OPERATION_COLUMN } from '../mapping/merge-sql.ts'
import type { Staging } from './staging.ts'

/** Staged rows of which the same columns are unknown. */
export interface UnknownGroup {
  /** What their operation becomes once their values are known. */
  readonly operation: number
  /** The target lacks the row, or may: it has no value to keep. */
  readonly isNew: boolean
  /** What stands in their operation column until then. */
  readonly placeholder: number
  readonly unknown: ReadonlySet<string>
}

/** How long a committed transaction may stay invisible: as long as a synchronous standby takes to confirm it. */
const VISIBLE_WITHIN_MS = 30_000
const PAUSE_MS = 5
/** Rows read at once; their values pass through memory. */
const CHUNK = 500
/** Characters from which on a value is passed on alone. */
const LARGE = 1_000_000

/**
 * Reads the unknown values from the source and puts them into the staged rows. What is read is the value of now, in a
 * snapshot that sees the changes' own transactions: if it changed since, a later change brings that value anyway. A row
 * that is gone from the source keeps its placeholder: its deletion is yet to come.
 *
 * @param transactions the source's ids of those that the rows come from.
 * @throws FICUS_SOURCE_CHANGED where the source has no such column any more.
 */
export async function fetchUnknownValues(
  target: Client,
  source: Client,
  staging: Staging,
  group: UnknownGroup,
  transactions: readonly number[],
): Promise<void> {
  const keys = staging.keyIndexes.flatMap(index => staging.relation.columns[index] ?? [])
  const wanted = staging.columns.filter(column => group.unknown.has(column))
  const { rows: pending } = await target.query<Record<string, string>>(
    `SELECT ${keys.map((key, index) => `${quoteIdentifier(key.name)}::text AS k${index}`).join(', ')}
     FROM ${staging.table} WHERE ${OPERATION_COLUMN} = ${group.placeholder}`,
  )
  if (pending.length === 0) return
  await beginSeeing(source, transactions)
  try {
    const types = await readTypes(source, staging, [...keys.map(key => key.name), ...wanted])
    for (let from = 0; from < pending.length; from += CHUNK) {
      const found = await readFromSource(source, staging, keys, wanted, types, pending.slice(from, from + CHUNK))
      await fillIn(target, staging, keys, wanted, group, found)
      staging.grow(sizeOf(found))
    }
    await assertNotRewritten(source, [staging.relation.table])
  } finally {
    await source.query('ROLLBACK')
  }
}

interface KeyColumn {
  readonly name: string
  readonly type: string
}

/** Opens a transaction whose snapshot sees `transactions`: one is in the log, and so here, before a query sees it. */
async function beginSeeing(source: Client, transactions: readonly number[]): Promise<void> {
  const unsettled = new Unsettled()
  for (const transaction of transactions) unsettled.decoded(transaction)
  const deadline = performance.now() + VISIBLE_WITHIN_MS
  for (;;) {
    await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const { rows } = await source.query<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot')
    if (unsettled.settledIn(readSnapshot(rows[0]?.snapshot ?? ''))) return
    await source.query('ROLLBACK')
    if (performance.now() > deadline) {
      throw new StreamEnded('a transaction of the source is committed, but does not become visible there')
    }
    await sleep(PAUSE_MS)
  }
}

async function readTypes(
  source: Client,
  { relation }: Staging,
  columns: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await source.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [quoteTable(relation.table)],
  )
  const types = new Map(rows.map(({ name, type }) => [name, type]))
  const gone = columns.find(column => !types.has(column))
  if (gone === undefined) return types
  throw new FicusError(
    'FICUS_SOURCE_CHANGED',
    `${showTable(relation.table)} has no column ${gone} any more, whose values are read back from it`,
  )
}

async function readFromSource(
  source: Client,
  staging: Staging,
  keys: readonly KeyColumn[],
  wanted: readonly string[],
  types: ReadonlyMap<string, string>,
  pending: readonly Record<string, string>[],
): Promise<Record<string, string | null>[]> {
  const select = [
    ...keys.map((_, index) => `w.k${index}`),
    ...wanted.map((name, index) => `s.${quoteIdentifier(name)}::text AS c${index}`),
  ]
  const match = keys.map(({ name }, index) => `s.${quoteIdentifier(name)} = w.k${index}::${types.get(name)}`)
  const { rows } = await source.query<Record<string, string | null>>(
    `SELECT ${select.join(', ')}
     FROM unnest(${keys.map((_, index) => `$${index + 1}::text[]`).join(', ')}) AS w (${keys.map((_, index) => `k${index}`).join(', ')})
     JOIN ${quoteTable(staging.relation.table)} AS s ON ${match.join(' AND ')}`,
    keys.map((_, index) => pending.map(row => row[`k${index}`])),
  )
  return rows
}

async function fillIn(
  target: Client,
  staging: Staging,
  keys: readonly KeyColumn[],
  wanted: readonly string[],
  group: UnknownGroup,
  found: readonly Record<string, string | null>[],
): Promise<void> {
  const names = [...keys.map((_, index) => `k${index}`), ...wanted.map((_, index) => `c${index}`)]
  const typeOf = (name: string) => staging.relation.columns.find(column => column.name === name)?.type ?? 'text'
  const assignments = wanted.map((name, index) => `${quoteIdentifier(name)} = v.c${index}::${typeOf(name)}`)
  const match = keys.map(({ name }, index) => `s.${quoteIdentifier(name)}::text = v.k${index}`)
  const fill = (rows: string, values: unknown[]) =>
    target.query(
      `UPDATE ${staging.table} AS s SET ${[`${OPERATION_COLUMN} = ${group.operation}`, ...assignments].join(', ')}
       FROM ${rows} AS v (${names.join(', ')})
       WHERE s.${OPERATION_COLUMN} = ${group.placeholder} AND ${match.join(' AND ')}`,
      values,
    )
  const small = found.filter(row => !isLarge(row))
  const arrays = names.map((_, index) => `$${index + 1}::text[]`)
  if (small.length > 0) {
    await fill(
      `unnest(${arrays.join(', ')})`,
      names.map(name => small.map(row => row[name] ?? null)),
    )
  }
  // As elements of an array, with its quotes and backslashes, large values would stand in memory once more.
  const single = names.map((_, index) => `$${index + 1}::text`)
  for (const row of found.filter(isLarge)) {
    await fill(
      `(VALUES (${single.join(', ')}))`,
      names.map(name => row[name] ?? null),
    )
  }
}

/** Of all values, bytes, about. */
function sizeOf(rows: readonly Record<string, string | null>[]): number {
  return rows.reduce((total, row) => Object.values(row).reduce((sum, value) => sum + (value?.length ?? 0), total), 0)
}

function isLarge(row: Record<string, string | null>): boolean {
  return Object.values(row).some(value => (value?.length ?? 0) > LARGE)
}
