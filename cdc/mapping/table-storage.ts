import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Flow } from './flow.ts'
import { flowColumns } from './flow-columns.ts'

/**
 * What the catalog tells of changes of a table's rows that no change which PostgreSQL publishes has: ALTER TABLE made new
 * values, columns took others' names, a partition came with rows in it or went with its own.
 */
export interface TableStorage {
  /** By OID: the table itself, and all its partitions. */
  readonly parts: Readonly<Record<string, Part>>
  /** By name. */
  readonly columns: Readonly<Record<string, StoredColumn>>
}

interface Part {
  /** Its file; 0 where its partitions hold the rows. ALTER TABLE makes a new one, as TRUNCATE, VACUUM FULL and CLUSTER do. */
  readonly file: string
  /** The transaction that made it a partition; null for the table itself. */
  readonly joined: string | null
  /** It was made as a partition, and so empty. */
  readonly made: boolean
}

interface StoredColumn {
  /** Its number for good, whatever it is called. */
  readonly number: number
  /** The transaction that last altered it. */
  readonly altered: string
}

/** By the tables' quoted names; those that are not there are left out. Parts and columns are of one moment. */
export async function readStorage(
  client: Client,
  tables: readonly TableName[],
): Promise<ReadonlyMap<string, TableStorage>> {
  // The row of a system column is as old as its table.
  const { rows } = await client.query<TableStorage & { name: string }>(
    `SELECT t.name,
            (SELECT jsonb_object_agg(c.oid, jsonb_build_object('file', c.relfilenode::text, 'joined', i.xmin::text,
                                                               'made', i.xmin IS NOT DISTINCT FROM a.xmin))
             FROM (SELECT to_regclass(t.name)::oid UNION SELECT relid FROM pg_partition_tree(to_regclass(t.name))) AS part (oid)
             JOIN pg_class c ON c.oid = part.oid
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tableoid'
             LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.oid <> to_regclass(t.name)) AS parts,
            (SELECT jsonb_object_agg(a.attname, jsonb_build_object('number', a.attnum, 'altered', a.xmin::text)) FROM pg_attribute a
             WHERE a.attrelid = to_regclass(t.name) AND a.attnum > 0 AND NOT a.attisdropped) AS columns
     FROM unnest($1::text[]) AS t (name) WHERE to_regclass(t.name) IS NOT NULL`,
    [tables.map(quoteTable)],
  )
  return new Map(rows.map(({ name, parts, columns }) => [name, { parts, columns: columns ?? {} }]))
}

/** Of the columns, those that the flow reads. */
export function flowStorage(flow: Flow, { parts, columns }: TableStorage): TableStorage {
  const read = flowColumns(flow, Object.keys(columns))
  return { parts, columns: Object.fromEntries(Object.entries(columns).filter(([name]) => read.has(name))) }
}

/** What has to be looked at anew of a flow's rows. */
export interface Anew {
  /** Rows may hold other values, or have come. */
  readonly rows: boolean
  /** Rows may be gone. */
  readonly gone: boolean
}

/** What the catalog says may have become of a flow's rows unseen, from one to the other; it may say so of rows that did not change. */
export function changedUnseen(flow: Flow, before: TableStorage, now: TableStorage): Anew {
  const columns = Object.entries(before.columns).flatMap(([name, old]) => {
    const live = now.columns[name]
    return live === undefined
      ? []
      : [{ name, other: live.number !== old.number, altered: live.altered !== old.altered }]
  })
  const parts = Object.entries(before.parts).map(([oid, old]) => ({ old, live: now.parts[oid] }))
  const isRefilled = parts.some(({ old, live }) => live !== undefined && live.file !== old.file)
  const hasLeft = parts.some(({ old, live }) => live?.joined !== old.joined)
  const hasJoined = Object.entries(now.parts).some(
    ([oid, { joined, made }]) => !made && joined !== null && before.parts[oid]?.joined !== joined,
  )
  const isKey = (name: string) => flow.key.some(({ from }) => from === name)
  const rewritten = columns.filter(({ other, altered }) => other || (altered && isRefilled))
  // TRUNCATE of the whole table is in the stream; of one partition it is not.
  const isEmptied = isRefilled && parts.some(({ old }) => old.joined !== null)
  return {
    rows: rewritten.length > 0 || hasJoined,
    gone: rewritten.some(({ name }) => isKey(name)) || hasLeft || isEmptied,
  }
}
