import { setTimeout as sleep } from 'node:timers/promises'
import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { OPERATION_COLUMN } from '../mapping/merge-sql.ts'
import type { Staging } from './staging.ts'

/** Staged rows of which the same columns are unknown. */
export interface UnknownGroup {
  /** What their operation becomes once their values are known. */
  readonly operation: number
  /** What stands in their operation column until then. */
  readonly placeholder: number
  readonly unknown: ReadonlySet<string>
}

/** A committed row may be invisible to a new snapshot for a moment; then it is looked for again. */
const ATTEMPTS = 5
const PAUSE_MS = 20

/**
 * Reads the unknown values from the source and puts them into the staged rows. A value that was not sent did not
 * change with this change; if it changed since, a later change brings that value anyway. A row that is gone from the
 * source keeps its placeholder: its deletion is yet to come.
 */
export async function fetchUnknownValues(
  target: Client,
  source: Client,
  staging: Staging,
  group: UnknownGroup,
): Promise<void> {
  const keys = keyColumns(staging)
  const wanted = staging.columns.filter(column => group.unknown.has(column))
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { rows: pending } = await target.query<Record<string, string>>(
      `SELECT ${keys.map((key, index) => `${quoteIdentifier(key.name)}::text AS k${index}`).join(', ')}
       FROM ${staging.table} WHERE ${OPERATION_COLUMN} = ${group.placeholder}`,
    )
    if (pending.length === 0) return
    if (attempt > 1) await sleep(PAUSE_MS)
    const found = await readFromSource(source, staging, keys, wanted, pending)
    await fillIn(target, staging, keys, wanted, group, found)
    if (found.length === pending.length) return
  }
}

interface KeyColumn {
  readonly name: string
  readonly type: string
}

function keyColumns(staging: Staging): KeyColumn[] {
  return staging.keyIndexes.flatMap(index => staging.relation.columns[index] ?? [])
}

async function readFromSource(
  source: Client,
  staging: Staging,
  keys: readonly KeyColumn[],
  wanted: readonly string[],
  pending: readonly Record<string, string>[],
): Promise<Record<string, string | null>[]> {
  const table = quoteTable(staging.relation.table)
  const { rows: types } = await source.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [table],
  )
  const typeOf = (name: string) => types.find(column => column.name === name)?.type ?? 'text'
  const select = [
    ...keys.map((_, index) => `w.k${index}`),
    ...wanted.map((name, index) => `s.${quoteIdentifier(name)}::text AS c${index}`),
  ]
  const match = keys.map(({ name }, index) => `s.${quoteIdentifier(name)} = w.k${index}::${typeOf(name)}`)
  const { rows } = await source.query<Record<string, string | null>>(
    `SELECT ${select.join(', ')}
     FROM unnest(${keys.map((_, index) => `$${index + 1}::text[]`).join(', ')}) AS w (${keys.map((_, index) => `k${index}`).join(', ')})
     JOIN ${table} AS s ON ${match.join(' AND ')}`,
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
  await target.query(
    `UPDATE ${staging.table} AS s SET ${[`${OPERATION_COLUMN} = ${group.operation}`, ...assignments].join(', ')}
     FROM unnest(${names.map((_, index) => `$${index + 1}::text[]`).join(', ')}) AS v (${names.join(', ')})
     WHERE s.${OPERATION_COLUMN} = ${group.placeholder} AND ${match.join(' AND ')}`,
    names.map(name => found.map(row => row[name] ?? null)),
  )
}
