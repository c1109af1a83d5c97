import type { Client } from 'pg'
import type { Change, Relation, RelationColumn } from '../change-source/change-source.ts'
import { KIND } from '../change-source/tuple.ts'
import { judgeFailure } from '../database/failure.ts'
import { keyOf, locate } from './collapse.ts'

/** The keys of the rows before and after a change, as `keyOf` gives them. @param columns the key's. */
export function rowKeys(data: Buffer, change: Change, columns: readonly number[]): string[] {
  const old = change.oldTuple < 0 ? null : locate(data, change.oldTuple)
  const fresh = change.newTuple < 0 ? null : locate(data, change.newTuple)
  // A key value that was not sent did not change, so the old tuple has it.
  for (const column of columns) {
    const start = fresh?.[column]
    if (fresh !== null && start !== undefined && data[start] === KIND.UNCHANGED) {
      fresh[column] = old?.[column] ?? start
    }
  }
  return [old, fresh].flatMap(starts => (starts === null ? [] : keyOf(data, starts, columns)))
}

/**
 * The same keys from their values as text: the server writes them in the given format, as it would in a stream. A text
 * that is none of the column's type is left out, for no row can have that key.
 * @param keys the values of each key, in the order of `columns`.
 */
export async function textsToBytes(
  client: Client,
  format: Relation['format'],
  columns: readonly RelationColumn[],
  keys: readonly (readonly (string | null)[])[],
): Promise<string[]> {
  if (keys.length === 0) return []
  const select: string[] = []
  for (const [index, { type }] of columns.entries()) {
    const value = `k.c${index}::${type}`
    select.push(
      `${format === 'text' ? `${value}::text` : `${await sendFunction(client, type)}(${value})`} AS c${index}`,
    )
  }
  const names = columns.map((_, index) => `c${index}`)
  const sql =
    `SELECT ${select.join(', ')} FROM unnest(${names.map((_, index) => `$${index + 1}::text[]`).join(', ')}) ` +
    `AS k (${names.join(', ')})`
  await client.query('SAVEPOINT ficus_keys')
  try {
    const { rows } = await client.query<Record<string, Buffer | string | null>>(
      sql,
      columns.map((_, index) => keys.map(key => key[index])),
    )
    await client.query('RELEASE SAVEPOINT ficus_keys')
    return rows.map(row => names.map(name => withLength(row[name] ?? null)).join(''))
  } catch (error) {
    if (judgeFailure(error) !== 'data') throw error
    await client.query('ROLLBACK TO SAVEPOINT ficus_keys; RELEASE SAVEPOINT ficus_keys')
    if (keys.length === 1) return []
    const each: string[] = []
    for (const key of keys) each.push(...(await textsToBytes(client, format, columns, [key])))
    return each
  }
}

/** The function that writes a value of the type in binary form. */
async function sendFunction(client: Client, type: string): Promise<string> {
  const { rows } = await client.query<{ send: string }>(
    'SELECT typsend::regproc::text AS send FROM pg_type WHERE oid = $1::regtype',
    [type],
  )
  return rows[0]?.send ?? ''
}

function withLength(value: Buffer | string | null): string {
  if (value === null) return '\0'
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return length.toString('latin1') + bytes.toString('latin1')
}
