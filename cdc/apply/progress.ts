import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import pg, { type Client } from 'pg'
import type { Position } from '../change-source/position.ts'
import type { Endpoint } from '../database/session.ts'
import type { Direction } from '../mapping/flow.ts'

/** Whose progress is meant. */
export interface ProgressKey {
  readonly capability: string
  readonly direction: Direction
}

/** Whose progress is meant, and which ledger says so. */
export interface SyncKey extends ProgressKey {
  /** The ledger's id. */
  readonly ledger: string
}

/** How far a target has come. */
export interface Progress {
  /** `ended`: nothing flows; rows of an earlier time are there. */
  readonly state: 'copying' | 'streaming' | 'ended'
  readonly position: Position | null
  readonly epoch: number
  /** The tables whose rows are the first copy's, `schema.table`. */
  readonly tables: readonly string[]
  /** Tables that sync made itself, `schema.table`. */
  readonly made: readonly string[]
  /** The ledger that began this sync; null: none yet. */
  readonly ledger: string | null
  readonly copiedRows: number
  readonly appliedRows: number
  /** When the source committed the newest transaction applied. */
  readonly sourceCommit: Date | null
}

/** Another worker moved the position: this one reads it anew and goes on from there. */
export class ProgressMoved extends Error {
  override readonly name = 'ProgressMoved'
}

/**
 * Makes the schema `ficus` in the target database, or brings it to this version.
 * @throws FICUS_DATABASE_UNFIT where the user may not.
 */
export async function createProgressTable(client: Client, target: Endpoint): Promise<void> {
  const schema = await readFile(new URL('./schema.sql', import.meta.url), 'utf8')
  const version = `ficus sync ${createHash('sha256').update(schema).digest('hex').slice(0, 16)}`
  if ((await schemaVersion(client)) === version) return
  try {
    await client.query('BEGIN')
    // Two workers that start at once may both try.
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('ficus sync schema'))`)
    if ((await schemaVersion(client)) !== version) {
      await client.query(`${schema};\nCOMMENT ON TABLE ficus.progress IS '${version}'`)
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    if (systemCodeOf(error) !== '42501') throw error
    throw new FicusError('FICUS_DATABASE_UNFIT', `${target.name} refuses the schema ficus: ${messageOf(error)}`, {
      cause: error,
      remedy:
        'GRANT CREATE ON DATABASE … TO the user of sync there, or create the schema ficus and make that user its owner.',
    })
  }
}

async function schemaVersion(client: Client): Promise<string | null> {
  const { rows } = await client.query<{ version: string | null }>(
    `SELECT obj_description(to_regclass('ficus.progress'), 'pg_class') AS version`,
  )
  return rows[0]?.version ?? null
}

/**
 * Makes sure that this ledger may carry or drop a sync: it began it, or nobody did and it does so now.
 * @param target names the database in the message.
 * @returns its progress, or null where there is none.
 * @throws FICUS_LEDGER_MISMATCH; nothing was touched then.
 */
export async function claimProgress(client: Client, key: SyncKey, target: Endpoint): Promise<Progress | null> {
  const progress = await readProgress(client, key)
  if (progress === null || progress.ledger === key.ledger) return progress
  if (progress.ledger !== null) throw ledgerMismatch(key, progress.ledger, target)
  await client.query(`UPDATE ficus.progress SET ledger = $1 WHERE ${progressRow(key)} AND ledger IS NULL`, [key.ledger])
  return claimProgress(client, key, target)
}

function ledgerMismatch(key: SyncKey, owner: string, target: Endpoint): FicusError {
  const sql = `UPDATE ficus.progress SET ledger = NULL WHERE ${progressRow(key)}`
  return new FicusError(
    'FICUS_LEDGER_MISMATCH',
    `the ${key.direction} sync of ${key.capability} into ${target.name} was begun by ledger ${owner}, and this is ledger ${key.ledger}`,
    {
      remedy:
        `Set ledger.url to the ledger that began it, or restore that one from its backup. Only if it is lost for good, let this one take ` +
        `the sync over, by running in ${target.name}: ${sql}`,
      details: { began: owner, asks: key.ledger },
    },
  )
}

/** Null where nothing was ever synced, or it was dropped. */
export async function readProgress(client: Client, key: ProgressKey): Promise<Progress | null> {
  const { rows: found } = await client.query<{ ready: boolean }>(
    `SELECT to_regclass('ficus.progress') IS NOT NULL AS ready`,
  )
  if (found[0]?.ready !== true) return null
  const { rows } = await client.query<{
    state: Progress['state']
    position: Position | null
    epoch: string
    tables: string[]
    made?: string[]
    ledger?: string | null
    copied_rows: string
    applied_rows: string
    source_commit: Date | null
  }>(`SELECT * FROM ficus.progress WHERE capability = $1 AND direction = $2`, [key.capability, key.direction])
  const [row] = rows
  if (row === undefined) return null
  return {
    state: row.state,
    position: row.position,
    epoch: Number(row.epoch),
    tables: row.tables,
    // Absent in a database that an older version wrote and no worker has opened since.
    made: row.made ?? [],
    ledger: row.ledger ?? null,
    copiedRows: Number(row.copied_rows),
    appliedRows: Number(row.applied_rows),
    sourceCommit: row.source_commit,
  }
}

/** The condition that picks the row of `key`, for statements that are sent as one text. */
export function progressRow(key: ProgressKey): string {
  return `capability = ${pg.escapeLiteral(key.capability)} AND direction = ${pg.escapeLiteral(key.direction)}`
}

/** The row lock that lets one worker at a time write (invariant 4). Its result is the row. */
export function lockProgress(key: ProgressKey): string {
  return `SELECT position::text AS position, epoch::text AS epoch, parked_version::text AS parked_version, pause_at::text AS pause_at FROM ficus.progress WHERE ${progressRow(key)} FOR UPDATE`
}

/** What one applied batch changes in the row, in the batch's own transaction. */
export function moveProgress(key: ProgressKey, position: Position, rows: number, sourceCommit: number | null): string {
  const commit = sourceCommit === null ? 'source_commit' : `to_timestamp(${sourceCommit / 1000})`
  return (
    `UPDATE ficus.progress SET position = ${pg.escapeLiteral(JSON.stringify(position))}, ` +
    `applied_rows = applied_rows + ${rows}, source_commit = ${commit}, updated_at = clock_timestamp() ` +
    `WHERE ${progressRow(key)}`
  )
}
