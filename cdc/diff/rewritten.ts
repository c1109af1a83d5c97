import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
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
