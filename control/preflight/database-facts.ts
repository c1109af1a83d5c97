import { connect, databaseError } from '@ficus/core/ledger/connection'
import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type pg from 'pg'

/** What a database says of itself and of what its user may do. */
export interface DatabaseFacts {
  /** `18.4` */
  readonly version: string
  /** `180004` */
  readonly versionNumber: number
  readonly database: string
  readonly user: string
  readonly superuser: boolean
  /** By its own attribute, or by the role that a managed service grants instead. */
  readonly mayReplicate: boolean
  readonly mayCreate: boolean
  readonly walLevel: string
  readonly freeSlots: number
  readonly maxSlots: number
  readonly freeSenders: number
  readonly maxSenders: number
}

/** What sync needs of a table that it writes to. */
export const PRIVILEGES = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const

/** What a database says of one table. */
export interface TableFacts {
  /** Null where there is nothing of that name; else pg_class.relkind. */
  readonly kind: string | null
  readonly owner: string | null
  readonly mayActAsOwner: boolean
  readonly privileges: Readonly<Record<(typeof PRIVILEGES)[number], boolean>>
  readonly empty: boolean | null
}

/**
 * Connects to a database and does `look`.
 * @throws FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function lookInto<T>(url: string, what: string, look: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(url, what)
  try {
    return await look(client)
  } catch (error) {
    throw databaseError(error, what, url)
  } finally {
    await client.end().catch(() => {})
  }
}

const DATABASE_SQL = `
  SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
         current_setting('server_version_num')::int AS "versionNumber",
         current_database() AS database,
         current_user AS user,
         role.rolsuper AS superuser,
         role.rolsuper OR role.rolreplication OR EXISTS (
           SELECT FROM pg_roles managed
           WHERE managed.rolname IN ('rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin')
             AND pg_has_role(current_user, managed.oid, 'MEMBER')
         ) AS "mayReplicate",
         has_database_privilege(current_database(), 'CREATE') AS "mayCreate",
         current_setting('wal_level') AS "walLevel",
         current_setting('max_replication_slots')::int AS "maxSlots",
         current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int AS "freeSlots",
         current_setting('max_wal_senders')::int AS "maxSenders",
         current_setting('max_wal_senders')::int
           - (SELECT count(*) FROM pg_stat_get_wal_senders())::int AS "freeSenders"
  FROM pg_roles role WHERE role.rolname = current_user`

export async function readDatabaseFacts(client: pg.Client): Promise<DatabaseFacts> {
  const { rows } = await client.query<DatabaseFacts>(DATABASE_SQL)
  const [facts] = rows
  if (facts === undefined) throw new Error('the server does not know its own user')
  return facts
}

const TABLE_SQL = `
  SELECT class.relkind::text AS kind,
         pg_get_userbyid(class.relowner) AS owner,
         pg_has_role(current_user, class.relowner, 'USAGE') AS "mayActAsOwner",
         jsonb_build_object(
           'SELECT', has_table_privilege(class.oid, 'SELECT'), 'INSERT', has_table_privilege(class.oid, 'INSERT'),
           'UPDATE', has_table_privilege(class.oid, 'UPDATE'), 'DELETE', has_table_privilege(class.oid, 'DELETE')
         ) AS privileges
  FROM pg_class class WHERE class.oid = to_regclass($1)`

const NO_TABLE: TableFacts = {
  kind: null,
  owner: null,
  mayActAsOwner: false,
  privileges: { SELECT: false, INSERT: false, UPDATE: false, DELETE: false },
  empty: null,
}

/** What there is to know of one table; `kind` is null where there is none of that name. */
export async function readTableFacts(client: pg.Client, table: TableName): Promise<TableFacts> {
  const name = quoteTable(table)
  const { rows } = await client.query<Omit<TableFacts, 'empty'>>(TABLE_SQL, [name])
  const [facts] = rows
  if (facts === undefined) return NO_TABLE
  if (!facts.privileges.SELECT) return { ...facts, empty: null }
  const { rowCount } = await client.query(`SELECT FROM ${name} LIMIT 1`)
  return { ...facts, empty: rowCount === 0 }
}
