import type { Client } from 'pg'

/** What an expression calls or looks into, so that its value does not follow from the row alone. */
export interface Unsteady {
  /** As SQL names them: `random()`, `CURRENT_TIMESTAMP`. */
  readonly functions: readonly string[]
  /** Tables that stand in the database, `schema.table`. */
  readonly tables: readonly string[]
}

/**
 * Functions of PostgreSQL's own that answer by the moment, the session or the server, though they are not volatile: only
 * within a statement is their answer the same. Others that are stable answer by settings that sync's sessions all have.
 */
const OF_THE_MOMENT = [
  'now',
  'transaction_timestamp',
  'statement_timestamp',
  'current_setting',
  'current_database',
  'current_schema',
  'current_schemas',
  'current_query',
  'pg_backend_pid',
  'pg_current_xact_id',
  'pg_current_xact_id_if_assigned',
  'pg_current_snapshot',
  'txid_current',
  'txid_current_if_assigned',
  'txid_current_snapshot',
  'version',
  'inet_client_addr',
  'inet_client_port',
  'inet_server_addr',
  'inet_server_port',
  'pg_postmaster_start_time',
  'pg_conf_load_time',
]

/** Texts that become a moment of now when they are read as one (PostgreSQL documentation, "Date/Time Special Values"). */
const SPECIAL_MOMENT = /'\s*(now|today|tomorrow|yesterday)\b[^']*'/gi

const VIEW = 'pg_temp.ficus_check'

/**
 * Looks into a query as the server has parsed it (pg_rewrite.ev_action of a temporary view): which functions it calls, whatever
 * they are called by, and which tables it reads.
 * @param client a session that may make temporary tables, and is in no transaction.
 * @param select a query whose expressions were parsed without an error.
 */
export async function findUnsteady(client: Client, select: string): Promise<Unsteady> {
  await client.query(`CREATE TEMPORARY VIEW ${VIEW.replace('pg_temp.', '')} AS ${select}`)
  try {
    const { rows } = await client.query<{ functions: string[]; tables: string[]; parsed: string }>(
      `WITH tree AS (SELECT ev_action::text AS text FROM pg_rewrite WHERE ev_class = to_regclass('${VIEW}'))
       SELECT array(
           SELECT DISTINCT p.oid::regprocedure::text FROM tree,
             regexp_matches(text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') AS called JOIN pg_proc p ON p.oid = called[1]::oid
           WHERE p.provolatile = 'v'
              OR (p.pronamespace = 'pg_catalog'::regnamespace AND (p.proname = ANY ($1) OR (p.proname = 'age' AND p.pronargs = 1)))
           UNION ALL
           SELECT 'CURRENT_DATE, CURRENT_TIME, CURRENT_USER or the like' FROM tree WHERE text ~ '\\{SQLVALUEFUNCTION '
         ) AS functions,
         array(
           SELECT DISTINCT format('%s.%s', n.nspname, c.relname) FROM tree,
             regexp_matches(text, ':relid (\\d+)', 'g') AS read JOIN pg_class c ON c.oid = read[1]::oid
             JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relpersistence <> 't'
         ) AS tables,
         pg_get_viewdef(to_regclass('${VIEW}')) AS parsed`,
      [OF_THE_MOMENT],
    )
    const { functions = [], tables = [], parsed = '' } = rows[0] ?? {}
    // One that was read as a moment is that moment in what was parsed; others stay as they are.
    const isRead = momentsIn(select).length > momentsIn(parsed).length
    return { functions: isRead ? [...functions, ...new Set(momentsIn(select))] : functions, tables }
  } finally {
    await client.query(`DROP VIEW IF EXISTS ${VIEW}`)
  }
}

function momentsIn(sql: string): string[] {
  return sql.match(SPECIAL_MOMENT) ?? []
}
