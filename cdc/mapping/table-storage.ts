import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Flow } from './flow.ts'
import { flowColumns } from './flow-columns.ts'

/**
 * What is looked at to tell that ALTER TABLE gave rows other values, which no change that PostgreSQL publishes has: it makes
 * new files, as TRUNCATE, VACUUM FULL and CLUSTER do, and alters a column, as these do not.
 */
export interface TableStorage {
  /** Fingerprint of the table's files, those of its partitions too. */
  readonly files: string
  /** Column -> the transaction that last altered it. */
  readonly columns: Readonly<Record<string, string>>
}

/** The same for the columns that one flow reads. */
export interface FlowStorage {
  readonly files: string
  /** Fingerprint of the transactions that last altered them. */
  readonly altered: string
}

/** By the tables' quoted names; those that are not there are left out. Files and columns are of one moment. */
export async function readStorage(
  client: Client,
  tables: readonly TableName[],
): Promise<ReadonlyMap<string, TableStorage>> {
  const { rows } = await client.query<TableStorage & { name: string }>(
    `SELECT t.name,
            (SELECT md5(string_agg(c.relfilenode::text, ' ' ORDER BY c.oid)) FROM pg_class c
             WHERE c.oid = to_regclass(t.name) OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(t.name)))) AS files,
            (SELECT jsonb_object_agg(a.attname, a.xmin::text) FROM pg_attribute a
             WHERE a.attrelid = to_regclass(t.name) AND a.attnum > 0 AND NOT a.attisdropped) AS columns
     FROM unnest($1::text[]) AS t (name) WHERE to_regclass(t.name) IS NOT NULL`,
    [tables.map(quoteTable)],
  )
  return new Map(rows.map(({ name, files, columns }) => [name, { files, columns }]))
}

export function flowStorage(flow: Flow, { files, columns }: TableStorage): FlowStorage {
  const names = Object.keys(columns).toSorted()
  const read = flowColumns(flow, names)
  return { files, altered: names.flatMap(name => (read.has(name) ? (columns[name] ?? []) : [])).join(' ') }
}

/** Whether ALTER TABLE may have given other values to what the flow reads, from one to the other. */
export function valuesRewritten(before: FlowStorage, now: FlowStorage): boolean {
  return before.files !== now.files && before.altered !== now.altered
}
