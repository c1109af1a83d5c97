import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { parseTableName, quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import pg, { type Client } from 'pg'
import type { Endpoint } from '../database/session.ts'

/** PostgreSQL's dependent_objects_still_exist. */
const DEPENDED_ON = '2BP01'

/**
 * Tries whether the tables that sync made can be dropped, and takes it back: what cannot be undone has to wait until that is
 * certain. Only a drop itself knows of everything that may stand in its way: views, foreign keys, functions, policies.
 * @param made `schema.table`
 * @throws FICUS_DATABASE_UNFIT, which names what depends on them.
 */
export async function assertDroppable(client: Client, target: Endpoint, made: readonly string[]): Promise<void> {
  if (made.length === 0) return
  await client.query('BEGIN')
  try {
    await dropTables(client, target, made)
  } finally {
    await client.query('ROLLBACK')
  }
}

/**
 * Within a transaction. A schema of ours goes with its last table.
 * @param made `schema.table`
 * @throws FICUS_DATABASE_UNFIT, which names what depends on them.
 */
export async function dropMadeTables(client: Client, target: Endpoint, made: readonly string[]): Promise<void> {
  await dropTables(client, target, made)
  for (const schema of new Set(made.map(table => parseTableName(table).schema))) {
    if (!schema.startsWith('ficus_')) continue
    await client.query('SAVEPOINT ficus_schema')
    try {
      await client.query(`DROP SCHEMA IF EXISTS ${quoteIdentifier(schema)} RESTRICT`)
    } catch (error) {
      // Other tables are in it, or somebody else made it.
      if (![DEPENDED_ON, '42501'].includes(systemCodeOf(error) ?? '')) throw error
      await client.query('ROLLBACK TO SAVEPOINT ficus_schema')
    }
  }
}

async function dropTables(client: Client, target: Endpoint, made: readonly string[]): Promise<void> {
  if (made.length === 0) return
  try {
    await client.query(`DROP TABLE IF EXISTS ${made.map(name => quoteTable(parseTableName(name))).join(', ')}`)
  } catch (error) {
    if (systemCodeOf(error) !== DEPENDED_ON) throw error
    // "view public.v depends on table ficus_mirror.t", a line for each.
    const dependents = (error instanceof pg.DatabaseError ? error.detail : undefined) ?? ''
    throw new FicusError(
      'FICUS_DATABASE_UNFIT',
      `tables that sync made in ${target.name} cannot be dropped: ${dependents.replaceAll('\n', '; ')}`,
      {
        cause: error,
        remedy: 'Drop what the message names, or have it read the mapped tables instead; then run the command again.',
      },
    )
  }
}
