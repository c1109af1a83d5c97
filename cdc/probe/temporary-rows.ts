import { quoteIdentifier, quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { assignedType, columnOf } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import type { Row } from './mapped-sample.ts'
import { textArrays, textRows } from './sample.ts'

/**
 * Makes a temporary table like another, which goes with the transaction, and fills it.
 * @param place its name, `pg_temp.` before it.
 * @param columns of `like` that it has and rows give.
 * @param options.made all that it has, where rows give fewer.
 * @param options.carried names of texts that it has besides: rows give them after the columns.
 */
export async function fillTemporary(
  client: Client,
  place: string,
  like: { readonly table: TableName; readonly shape: TableShape },
  columns: readonly string[],
  rows: readonly Row[],
  { made = columns, carried = [] }: { readonly made?: readonly string[]; readonly carried?: readonly string[] } = {},
): Promise<void> {
  // Not LIKE: NOT NULL and identities of columns that only this side has would be in the way.
  await client.query(
    `CREATE TEMPORARY TABLE ${place.replace('pg_temp.', '')} ON COMMIT DROP AS SELECT ${[...made.map(quoteIdentifier), ...carried.map(name => `NULL::text AS ${quoteIdentifier(name)}`)].join(', ')} FROM ${quoteTable(like.table)} LIMIT 0`,
  )
  const given = [...columns, ...carried]
  const values = given.map((name, index) =>
    index < columns.length ? `c${index}::${assignedType(columnOf(like.shape, name))}` : `c${index}`,
  )
  await client.query(
    `INSERT INTO ${place} (${given.map(quoteIdentifier).join(', ')}) SELECT ${values.join(', ')} FROM ${textRows(given)}`,
    textArrays(given, rows),
  )
  await client.query(`ANALYZE ${place}`)
}
