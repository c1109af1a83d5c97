import { systemCodeOf } from '@ficus/core/errors/ficus-error'
import { parseTableName, quoteIdentifier, quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type ProgressKey, ProgressMoved, progressRow } from '../apply/progress.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { emptyTables } from './target-tables.ts'

/** An index that a first copy took away, as ficus.progress keeps it: all that is needed to make it again. */
interface DroppedIndex {
  /** The table's OID, whatever it is called by then. */
  readonly table: string
  readonly name: string
  readonly constraint: boolean
  /** `CREATE INDEX` or `CREATE UNIQUE INDEX`; unused for a constraint. */
  readonly create: string
  /** What follows the table's name: `USING btree (…)`; or the constraint: `PRIMARY KEY (id)`. */
  readonly definition: string
}

/** How long somebody else's lock is waited for before a table keeps its indexes. */
const PATIENCE = '2s'
/** Two GB of rows are sorted with it in one pass of merging; more hardly helps. kB. */
const BUILD_MEMORY = 256 * 1024

/** Names in definitions are whole, whatever the user's search_path; new indexes go where the database's own default is. */
const PIN_NAMES = `SET LOCAL search_path = pg_catalog; SET LOCAL default_tablespace = ''`

/**
 * Indexes that can be made again exactly as they are from what the catalog says, and that nothing but their own table
 * needs. Not those that a foreign key refers to or that are a replica identity, nor any of a table that is a part of
 * another, that is published (its updates need the primary key), or that not this user may make indexes of. Options,
 * comments, tablespaces and the like are not in the definition: an index that has some is left where it is.
 */
const DROPPABLE = `
  SELECT c.oid::text AS table, x.relname AS name, con.oid IS NOT NULL AS constraint,
         CASE WHEN i.indisunique THEN 'CREATE UNIQUE INDEX' ELSE 'CREATE INDEX' END AS create,
         CASE WHEN con.oid IS NULL THEN substr(pg_get_indexdef(x.oid), length(made.prefix) + 1)
              ELSE pg_get_constraintdef(con.oid) END AS definition,
         CASE WHEN con.oid IS NULL THEN format('DROP INDEX %I.%I', n.nspname, x.relname)
              ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', c.oid::regclass, x.relname) END AS drop
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_index i ON i.indrelid = c.oid
  JOIN pg_class x ON x.oid = i.indexrelid
  LEFT JOIN pg_constraint con ON con.conindid = x.oid AND con.conrelid = c.oid AND con.contype IN ('p', 'u', 'x')
  CROSS JOIN LATERAL (SELECT format('CREATE %sINDEX %I ON %s ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname, c.oid::regclass) AS prefix) AS made
  WHERE c.oid = ANY ($1::regclass[]) AND c.relkind = 'r' AND NOT c.relispartition
    AND pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE')
    AND i.indisvalid AND i.indisready AND NOT i.indisreplident AND NOT i.indisclustered AND NOT i.indisexclusion
    AND x.reloptions IS NULL AND x.reltablespace = 0
    AND (con.oid IS NOT NULL OR starts_with(pg_get_indexdef(x.oid), made.prefix))
    AND (con.oid IS NULL OR con.conname = x.relname)
    AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent))
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = x.oid)
    AND NOT EXISTS (SELECT FROM pg_publication WHERE puballtables)
    AND NOT EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_publication_namespace WHERE pnnspid = c.relnamespace)
    AND NOT EXISTS (SELECT FROM pg_description WHERE objoid IN (x.oid, con.oid))
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = x.oid AND deptype = 'e')
    AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = x.oid AND a.attstattarget >= 0)
  ORDER BY c.oid, con.contype = 'p' DESC NULLS LAST, x.oid`

/** Triggers that would act on the rows of the copy: they may look for rows by an index. @see writer-session.ts */
const ACTING_TRIGGERS = `
  SELECT FROM pg_trigger WHERE tgrelid = ANY ($1::regclass[]) AND NOT tgisinternal AND tgenabled = ANY ($2::"char"[]) LIMIT 1`

/**
 * Takes away the indexes of tables that are empty and about to be filled, to be made again when the rows are there: that
 * takes a fraction of keeping them up to date row by row. In the same transaction they are noted in ficus.progress.
 * A table that somebody holds a lock on keeps its own, and so does every table where triggers act.
 *
 * @param triggersSilent whether ordinary triggers are silent in the sessions that copy.
 * @returns the progress's epoch, by which the later steps know that no other copy has begun since.
 */
export async function dropIndexes(
  client: Client,
  key: ProgressKey,
  tables: readonly TableName[],
  triggersSilent: boolean,
): Promise<number> {
  await client.query('BEGIN')
  const { epoch } = await lockNotes(client, key)
  const names = tables.map(quoteTable)
  const acting = await client.query(ACTING_TRIGGERS, [names, triggersSilent ? ['A', 'R'] : ['A', 'O']])
  if (acting.rowCount === 0) {
    await client.query(`${PIN_NAMES}; SET LOCAL lock_timeout = '${PATIENCE}'`)
    const { rows } = await client.query<DroppedIndex & { readonly drop: string }>(DROPPABLE, [names])
    const dropped: DroppedIndex[] = []
    for (const ofTable of Map.groupBy(rows, row => row.table).values()) {
      const statements = ofTable.map(({ drop }) => drop)
      if (await maySucceed(client, statements.join('; ')))
        dropped.push(...ofTable.map(({ drop: _, ...index }) => index))
    }
    await writeNotes(client, key, dropped)
  }
  await client.query('COMMIT')
  return epoch
}

/** Somebody holds a lock, a view needs the primary key, no right, a deadlock: the table keeps its indexes. */
const REFUSALS = new Set(['55P03', '2BP01', '42501', '40P01'])

async function maySucceed(client: Client, statements: string): Promise<boolean> {
  await client.query('SAVEPOINT ficus_indexes')
  try {
    await client.query(statements)
    return true
  } catch (error) {
    if (!REFUSALS.has(systemCodeOf(error) ?? '')) throw error
    await client.query('ROLLBACK TO SAVEPOINT ficus_indexes')
    return false
  }
}

/**
 * Makes the indexes again, now that the rows are there.
 * @throws what the server says, a unique violation for instance; ProgressMoved where another copy has begun.
 */
export async function rebuildIndexes(
  target: Endpoint,
  key: ProgressKey,
  epoch: number,
  signal: AbortSignal,
): Promise<void> {
  await withSession(target, async client => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    // It may take minutes, in which the server looks for nothing else.
    const cancel = () =>
      void withSession(target, other => other.query('SELECT pg_cancel_backend($1)', [rows[0]?.pid])).catch(() => {})
    signal.throwIfAborted()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      await client.query('BEGIN')
      const notes = await lockNotes(client, key)
      if (notes.epoch !== epoch) throw new ProgressMoved('another copy has begun')
      await createAll(client, key, notes.indexes)
      await client.query('COMMIT')
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  })
}

/**
 * Makes the indexes again that a copy took away and, because it was broken off, never gave back. Its rows go first: they
 * are worth nothing, and may be what the indexes were refused for.
 * @param epoch of the copy that was broken off; nothing is done if another has begun since. Not given: whichever it was.
 */
export async function restoreIndexes(client: Client, key: ProgressKey, epoch?: number): Promise<void> {
  await client.query('BEGIN')
  try {
    const notes = await lockNotes(client, key)
    if (notes.indexes.length > 0 && (epoch === undefined || epoch === notes.epoch)) {
      if (notes.copying) await emptyTables(client, notes.tables)
      await createAll(client, key, notes.indexes)
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** Within a transaction. What was made again by somebody else is left as it is; a table that is gone needs none. */
async function createAll(client: Client, key: ProgressKey, indexes: readonly DroppedIndex[]): Promise<void> {
  if (indexes.length === 0) return
  await client.query(
    `${PIN_NAMES}; SELECT set_config(name, '${BUILD_MEMORY}', true) FROM pg_settings WHERE name = 'maintenance_work_mem' AND setting::bigint < ${BUILD_MEMORY}`,
  )
  for (const index of indexes) {
    const table = await nameOf(client, index)
    if (table === null || (await isThere(client, index))) continue
    const name = quoteIdentifier(index.name)
    await client.query(
      index.constraint
        ? `ALTER TABLE ${table} ADD CONSTRAINT ${name} ${index.definition}`
        : `${index.create} ${name} ON ${table} ${index.definition}`,
    )
  }
  await writeNotes(client, key, [])
}

async function isThere(client: Client, { table, name }: DroppedIndex): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = $1::oid AND relname = $2`,
    [table, name],
  )
  return rowCount !== 0
}

/** The table's whole name, quoted; null where it was dropped. */
async function nameOf(client: Client, { table }: DroppedIndex): Promise<string | null> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = $1::oid`,
    [table],
  )
  return rows[0]?.name ?? null
}

interface Notes {
  readonly epoch: number
  readonly copying: boolean
  readonly tables: readonly TableName[]
  readonly indexes: readonly DroppedIndex[]
}

/** Within a transaction: what is noted, locked. */
async function lockNotes(client: Client, key: ProgressKey): Promise<Notes> {
  const { rows } = await client.query<{
    epoch: string
    state: string
    tables: string[]
    dropped_indexes: DroppedIndex[]
  }>(`SELECT epoch, state, tables, dropped_indexes FROM ficus.progress WHERE ${progressRow(key)} FOR UPDATE`)
  const [row] = rows
  return {
    epoch: Number(row?.epoch ?? 0),
    copying: row?.state === 'copying',
    tables: (row?.tables ?? []).map(parseTableName),
    indexes: row?.dropped_indexes ?? [],
  }
}

async function writeNotes(client: Client, key: ProgressKey, indexes: readonly DroppedIndex[]): Promise<void> {
  await client.query(`UPDATE ficus.progress SET dropped_indexes = $1 WHERE ${progressRow(key)}`, [
    JSON.stringify(indexes),
  ])
}
