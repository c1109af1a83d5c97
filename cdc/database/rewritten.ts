import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import pg, { type Client } from 'pg'

/**
 * Whether one of the tables was truncated or rewritten since the snapshot of the session's transaction was taken. Such a
 * table looks empty to that snapshot, whatever it held or holds (PostgreSQL documentation, "MVCC Caveats"). Where the answer
 * is no it stays so until the transaction ends, since each table is locked as a reader locks it.
 *
 * The catalog as a query reads it is that of the snapshot; `pg_relation_filenode` looks at the catalog of now.
 */
export async function isRewritten(client: Client, tables: readonly TableName[]): Promise<boolean> {
  const names = tables.map(quoteTable)
  // Reading locks partitions too, and needs no more than the right to read a column.
  for (const name of names) await client.query(`SELECT FROM ${name} LIMIT 0`)
  const { rows } = await client.query<{ rewritten: boolean }>(
    `SELECT EXISTS (
       SELECT FROM unnest(ARRAY[${names.map(pg.escapeLiteral).join(', ')}]::regclass[]) AS root
       CROSS JOIN LATERAL (SELECT root::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(root)) AS part
       LEFT JOIN pg_class AS seen ON seen.oid = part.oid
       WHERE nullif(seen.relfilenode, 0) IS DISTINCT FROM pg_relation_filenode(part.oid)
     ) AS rewritten`,
  )
  return rows[0]?.rewritten ?? false
}

/**
 * Makes sure that what was read of these tables, in the session's transaction, is what its snapshot was to see.
 * @throws FICUS_DATABASE_BUSY, upon which it is read anew.
 */
export async function assertNotRewritten(client: Client, tables: readonly TableName[]): Promise<void> {
  if (!(await isRewritten(client, tables))) return
  const names = tables.map(showTable).join(', ')
  throw new FicusError(
    'FICUS_DATABASE_BUSY',
    `${names} was rewritten by ALTER TABLE, or truncated, just before it was read: it is read anew`,
    {
      remedy:
        'It goes on by itself. Alter no mapped table, and truncate none, while a first copy is under way: it would begin anew.',
    },
  )
}
