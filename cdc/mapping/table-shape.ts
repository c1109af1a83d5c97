import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { preciseNumeric } from './numeric-modifier.ts'
import { readStorage, type TableStorage } from './table-storage.ts'

/** A live column, as its database's catalog has it. */
export interface ColumnShape {
  readonly name: string
  /** As in SQL, without length or precision: `numeric`, `text[]`, `public.status`. */
  readonly type: string
  /** With length and precision: `numeric(12,2)`. */
  readonly fullType: string
  /** As `fullType`, where that is a numeric of limited precision and scale. */
  readonly preciseType?: string | undefined
  readonly typeOid: number
  readonly notNull: boolean
  /** A default, an identity or a generation expression: the column needs no value from us. */
  readonly hasDefault: boolean
  /** Computed by the database from its row: cannot be written. */
  readonly generated: boolean
  /** `GENERATED ALWAYS AS IDENTITY`: written only with OVERRIDING SYSTEM VALUE. */
  readonly identityAlways: boolean
  /**
   * The type that carries the column's values to another database: its own, a domain's base, or `text` for a type that
   * only this database knows.
   */
  readonly wireType: string
  /** Equal values are the same: its collation, if it has one, does not take `a` for `A`. */
  readonly deterministic: boolean
  /** Whether the binary form of its values means the same elsewhere; a composite or an array of enums has OIDs inside. */
  readonly binary: boolean
}

/** What logical decoding tells of the old row of an update or a delete. */
export interface ReplicaIdentity {
  readonly kind: 'default' | 'index' | 'full' | 'nothing'
  /** The columns told; empty where updates and deletes cannot be published at all. */
  readonly columns: readonly string[]
}

/** A live table. */
export interface TableShape {
  readonly name: TableName
  readonly oid: number
  /** An ordinary or a partitioned table can be synced; views and foreign tables cannot. */
  readonly kind: 'table' | 'partitioned' | 'other'
  readonly columns: readonly ColumnShape[]
  /** The columns of each unique index without a condition or an expression. */
  readonly uniqueKeys: readonly (readonly string[])[]
  readonly replicaIdentity: ReplicaIdentity
  /** Rows, as the planner's statistics tell. */
  readonly estimatedRows: number
  /** Heap size in blocks of 8 kB, as the file is now: that of the largest partition. Null where it cannot be scanned by ranges of blocks. */
  readonly pages: number | null
  /** Whether the session's user owns the table, which a publication needs. */
  readonly owned: boolean
  readonly storage: TableStorage
}

/** `regclass`, `regtype`, …, and arrays of them; regexp functions have no types of their own. */
const NAMES_AN_OBJECT = `ltrim(t.typname, '_') LIKE 'reg%'`

/** Types up to this OID are PostgreSQL's own and the same everywhere (access/transam.h: FirstNormalObjectId). */
const FIRST_USER_OID = 16_384

/** Reads a table's shape, or null where the database has no such table. */
export async function readTableShape(client: Client, name: TableName): Promise<TableShape | null> {
  const shapeOf = await readTableShapes(client, [name])
  return shapeOf(name)
}

/** Reads the shapes of several tables at once. @returns that of each, null where the database has no such table. */
export async function readTableShapes(
  client: Client,
  names: readonly TableName[],
): Promise<(name: TableName) => TableShape | null> {
  if (names.length === 0) return () => null
  const tables = await readTables(client, names)
  const storage = await readStorage(client, names)
  const oids = [...tables.values()].map(({ oid }) => oid)
  const columns = await readColumns(client, oids)
  const indexes = await readUniqueIndexes(client, oids)
  return name => {
    const table = tables.get(quoteTable(name))
    const stored = storage.get(quoteTable(name))
    if (table === undefined || stored === undefined) return null
    const its = { columns: columns.get(table.oid) ?? [], indexes: indexes.get(table.oid) ?? [] }
    return {
      name,
      oid: Number(table.oid),
      kind: table.relkind === 'r' ? 'table' : table.relkind === 'p' ? 'partitioned' : 'other',
      columns: its.columns.map(toColumnShape),
      uniqueKeys: its.indexes.map(index => index.columns),
      replicaIdentity: identityOf(table.relreplident, its.columns, its.indexes),
      estimatedRows: Math.round(Number(table.estimated_rows)),
      pages: table.pages === null ? null : Number(table.pages),
      owned: table.owned,
      storage: stored,
    }
  }
}

/** By their quoted names. */
async function readTables(client: Client, names: readonly TableName[]): Promise<ReadonlyMap<string, TableRow>> {
  const { rows } = await client.query<TableRow>(
    `SELECT named.name, c.oid::int8::text AS oid, c.relkind, c.relreplident, heaps.rows::text AS estimated_rows,
            heaps.pages::text AS pages, pg_has_role(c.relowner, 'USAGE') AS owned
     FROM unnest($1::text[]) AS named (name) JOIN pg_class c ON c.oid = to_regclass(named.name)
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(greatest(h.reltuples, 0)), 0) AS rows,
              CASE WHEN bool_and(h.relkind = 'r') THEN max(pg_relation_size(h.oid)) / current_setting('block_size')::int END AS pages
       FROM (SELECT c.oid WHERE c.relkind <> 'p' UNION SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) AS leaf
       JOIN pg_class h ON h.oid = leaf.oid
     ) AS heaps`,
    [names.map(quoteTable)],
  )
  return new Map(rows.map(row => [row.name, row]))
}

interface TableRow {
  name: string
  oid: string
  relkind: string
  relreplident: string
  estimated_rows: string
  pages: string | null
  owned: boolean
}

interface IndexRow {
  table: string
  columns: string[]
  primary: boolean
  identity: boolean
}

interface ColumnRow {
  table: string
  name: string
  type: string
  full_type: string
  type_oid: string
  modifier: number
  not_null: boolean
  has_default: boolean
  generated: string
  identity: string
  wire_type: string
  deterministic: boolean
  binary: boolean
  base_oid: string
  base_modifier: number
}

async function readColumns(client: Client, oids: readonly string[]): Promise<ReadonlyMap<string, ColumnRow[]>> {
  const { rows } = await client.query<ColumnRow>(
    `SELECT a.attrelid::int8::text AS table, a.attname AS name, format_type(a.atttypid, -1) AS type,
            format_type(a.atttypid, a.atttypmod) AS full_type, a.atttypid::int8::text AS type_oid, a.atttypmod AS modifier,
            a.attnotnull AS not_null, a.atthasdef OR a.attidentity <> '' AS has_default, a.attgenerated AS generated,
            a.attidentity AS identity, wire.type AS wire_type, wire.binary, wire.base_oid, wire.base_modifier,
            coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation), true) AS deterministic
     FROM pg_attribute a
     JOIN (${wireTypes('oid IN (SELECT atttypid FROM pg_attribute WHERE attrelid = ANY ($1::int8[]::oid[]))')}) AS wire
       ON wire.oid = a.atttypid
     WHERE a.attrelid = ANY ($1::int8[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attrelid, a.attnum`,
    [oids],
  )
  return Map.groupBy(rows, row => row.table)
}

function toColumnShape(row: ColumnRow): ColumnShape {
  return {
    name: row.name,
    type: row.type,
    fullType: row.full_type,
    preciseType: preciseNumeric(Number(row.base_oid), Math.max(row.modifier, row.base_modifier)),
    typeOid: Number(row.type_oid),
    notNull: row.not_null,
    hasDefault: row.has_default,
    generated: row.generated !== '',
    identityAlways: row.identity === 'a',
    wireType: row.wire_type,
    deterministic: row.deterministic,
    binary: row.binary,
  }
}

/**
 * SQL for types with the ones that carry their values elsewhere. A domain travels as its base type; an enum's binary form
 * is its label, so it travels as text even there; other types of a user's making travel as text in text form, and so do
 * `regclass` and its kind: their binary form is an OID, which is another object elsewhere.
 * @param which a condition on rows of pg_type.
 */
export function wireTypes(which: string): string {
  return `
  WITH RECURSIVE base (oid, base, modifier) AS (
    SELECT oid, oid, -1 FROM pg_type WHERE ${which}
    UNION ALL
    SELECT base.oid, d.typbasetype, greatest(base.modifier, d.typtypmod)
    FROM base JOIN pg_type d ON d.oid = base.base WHERE d.typtype = 'd'
  )
  SELECT base.oid, base.base::int8::text AS base_oid, base.modifier AS base_modifier,
         CASE WHEN t.oid < ${FIRST_USER_OID} THEN format_type(t.oid, -1) ELSE 'text' END AS type,
         (t.oid < ${FIRST_USER_OID} AND t.typsend <> 0 AND NOT ${NAMES_AN_OBJECT}) OR t.typtype = 'e' AS binary
  FROM base JOIN pg_type t ON t.oid = base.base AND t.typtype <> 'd'`
}

async function readUniqueIndexes(client: Client, oids: readonly string[]): Promise<ReadonlyMap<string, IndexRow[]>> {
  const { rows } = await client.query<IndexRow>(
    `SELECT i.indrelid::int8::text AS table, i.indisprimary AS primary, i.indisreplident AS identity,
            (SELECT array_agg(a.attname::text ORDER BY k.position)
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
             WHERE k.position <= i.indnkeyatts) AS columns
     FROM pg_index i
     WHERE i.indrelid = ANY ($1::int8[]::oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     ORDER BY i.indisprimary DESC, i.indexrelid`,
    [oids],
  )
  return Map.groupBy(rows, row => row.table)
}

function identityOf(
  code: string,
  columns: readonly { readonly name: string }[],
  indexes: readonly IndexRow[],
): ReplicaIdentity {
  if (code === 'f') return { kind: 'full', columns: columns.map(column => column.name) }
  if (code === 'n') return { kind: 'nothing', columns: [] }
  if (code === 'i') return { kind: 'index', columns: indexes.find(index => index.identity)?.columns ?? [] }
  return { kind: 'default', columns: indexes.find(index => index.primary)?.columns ?? [] }
}
