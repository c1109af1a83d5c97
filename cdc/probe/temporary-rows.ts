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
 * @param made all that it has, where rows give fewer.
 */
export async function fillTemporary(
  client: Client,
  place: string,
  like: { readonly table: TableName; readonly shape: TableShape },
  columns: readonly string[],
  rows: readonly Row[],
  made = columns,
): Promise<void> {
  const listed = (names: readonly string[]) => names.map(quoteIdentifier).join(', ')
  // Not LIKE: NOT NULL and identities of columns that only this side has would be in the way.
  await client.query(
    `CREATE TEMPORARY TABLE ${place.replace('pg_temp.', '')} ON COMMIT DROP AS SELECT ${listed(made)} FROM ${quoteTable(like.table)} LIMIT 0`,
  )
  const values = columns.map((name, index) => `c${index}::${assignedType(columnOf(like.shape, name))}`)
  await client.query(
    `INSERT INTO ${place} (${listed(columns)}) SELECT ${values.join(', ')} FROM ${textRows(columns)}`,
    textArrays(columns, rows),
  )
  await client.query(`ANALYZE ${place}`)
}
