import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { parseTableName, quoteIdentifier, quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { claimProgress, type ProgressKey, type SyncKey } from '../apply/progress.ts'
import type { Position } from '../change-source/position.ts'
import type { Endpoint } from '../database/session.ts'
import type { Flow } from '../mapping/flow.ts'
import { inDependencyOrder } from '../mapping/table-order.ts'
import { createNotes, type FlowNote, writeNotes } from './flow-notes.ts'

/**
 * Writes down that a first copy fills these tables, and makes sure that they are empty: rows of a copy of ours that was
 * broken off are removed, anybody else's are not.
 * @throws FICUS_TARGET_NOT_EMPTY
 */
export async function claimTarget(
  client: Client,
  target: Endpoint,
  key: SyncKey,
  tables: readonly TableName[],
): Promise<void> {
  await client.query('BEGIN')
  const progress = await claimProgress(client, key, target)
  if (progress !== null) await emptyTables(client, progress.tables.map(parseTableName))
  const filled: string[] = []
  for (const table of tables) {
    const { rowCount } = await client.query(`SELECT FROM ${quoteTable(table)} LIMIT 1`)
    if (rowCount !== 0) filled.push(showTable(table))
  }
  if (filled.length > 0) {
    const tables = `${filled.join(', ')} of ${target.name}`
    throw new FicusError('FICUS_TARGET_NOT_EMPTY', `${tables} ${filled.length === 1 ? 'holds' : 'hold'} rows already`, {
      details: { tables: filled },
    })
  }
  await client.query(
    `INSERT INTO ficus.progress AS p (capability, direction, state, tables, ledger) VALUES ($1, $2, 'copying', $3, $4)
     ON CONFLICT (capability, direction) DO UPDATE
       SET state = 'copying', position = NULL, epoch = p.epoch + 1, tables = excluded.tables, copied_rows = 0,
           applied_rows = 0, source_commit = NULL, updated_at = clock_timestamp()`,
    [key.capability, key.direction, JSON.stringify(tables.map(showTable)), key.ledger],
  )
  await client.query('COMMIT')
}

/**
 * Writes down that the copy is whole, by which mappings, and where the stream goes on. Statistics first: the merge's plans
 * need them, of the keys by which it finds rows. Those of the other columns take twice as long, and come beside the stream.
 */
export async function finishCopy(
  client: Client,
  key: ProgressKey,
  flows: readonly Flow[],
  notes: readonly FlowNote[],
  position: Position,
  copiedRows: number,
): Promise<void> {
  for (const flow of flows) {
    await client.query(`ANALYZE ${quoteTable(flow.to)} (${flow.key.map(({ to }) => quoteIdentifier(to)).join(', ')})`)
  }
  await createNotes(client)
  await client.query('BEGIN')
  await writeNotes(client, key, notes)
  await client.query(
    `UPDATE ficus.progress SET state = 'streaming', position = $3, copied_rows = $4, updated_at = clock_timestamp()
     WHERE capability = $1 AND direction = $2`,
    [key.capability, key.direction, JSON.stringify(position), copiedRows],
  )
  await client.query('COMMIT')
}

/** Within a transaction: removes all rows, at once where the server allows that, else row by row, children before parents. */
export async function emptyTables(client: Client, tables: readonly TableName[]): Promise<void> {
  const present: TableName[] = []
  for (const table of tables) {
    const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      quoteTable(table),
    ])
    if (rows[0]?.there === true) present.push(table)
  }
  if (present.length === 0) return
  await client.query('SAVEPOINT ficus_truncate')
  try {
    await client.query(`TRUNCATE ${present.map(quoteTable).join(', ')}`)
  } catch (error) {
    // Another table's foreign key, or no right to truncate.
    if (!['0A000', '42501'].includes(systemCodeOf(error) ?? '')) throw error
    await client.query('ROLLBACK TO SAVEPOINT ficus_truncate')
    await deleteAll(client, present)
  }
}

async function deleteAll(client: Client, tables: readonly TableName[]): Promise<void> {
  await assertNothingCascades(client, tables)
  const ordered = await inDependencyOrder(client, tables, table => table)
  for (const table of ordered.toReversed()) {
    try {
      await client.query(`DELETE FROM ${quoteTable(table)}`)
    } catch (error) {
      throw new FicusError('FICUS_TARGET_NOT_EMPTY', `${showTable(table)} cannot be emptied: ${messageOf(error)}`, {
        cause: error,
        remedy: 'Remove the rows that refer to it, or give the user of sync the right to delete there.',
      })
    }
  }
}

/** A DELETE would take along, or change, rows of tables that sync never wrote to. */
async function assertNothingCascades(client: Client, tables: readonly TableName[]): Promise<void> {
  const { rows } = await client.query<{ child: string; parent: string }>(
    `SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent FROM pg_constraint
     WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
       AND confrelid = ANY ($1::regclass[]) AND conrelid <> ALL ($1::regclass[])`,
    [tables.map(quoteTable)],
  )
  for (const { child, parent } of rows) {
    const { rowCount } = await client.query(`SELECT FROM ${child} LIMIT 1`)
    if (rowCount === 0) continue
    throw new FicusError(
      'FICUS_TARGET_NOT_EMPTY',
      `${parent} cannot be emptied: ${child} refers to it, and its foreign key would delete or change rows that sync did not write`,
      {
        remedy: `Remove or move the rows of ${child}, or give the key ON DELETE RESTRICT; then run the command again.`,
      },
    )
  }
}
