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

/** How far a target has come. */
export interface Progress {
  readonly state: 'copying' | 'streaming'
  readonly position: Position | null
  readonly epoch: number
  readonly tables: readonly string[]
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
 * Makes the schema `ficus` in the target database.
 * @throws FICUS_DATABASE_UNFIT where the user may not.
 */
export async function createProgressTable(client: Client, target: Endpoint): Promise<void> {
  const { rowCount } = await client.query(`SELECT FROM pg_class WHERE oid = to_regclass('ficus.progress')`)
  if (rowCount === 1) return
  try {
    await client.query(await readFile(new URL('./schema.sql', import.meta.url), 'utf8'))
  } catch (error) {
    // Two workers that start at once may both try.
    if (['23505', '42P06', '42P07'].includes(systemCodeOf(error) ?? '')) return
    if (systemCodeOf(error) !== '42501') throw error
    throw new FicusError('FICUS_DATABASE_UNFIT', `${target.name} refuses the schema ficus: ${messageOf(error)}`, {
      cause: error,
      remedy:
        'GRANT CREATE ON DATABASE … TO the user of sync there, or create the schema ficus and make that user its owner.',
    })
  }
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
    copiedRows: Number(row.copied_rows),
    appliedRows: Number(row.applied_rows),
    sourceCommit: row.source_commit,
  }
}

/** The condition that picks the row of `key`, for statements that are sent as one text. */
export function progressRow(key: ProgressKey): string {
  return `capability = ${pg.escapeLiteral(key.capability)} AND direction = ${pg.escapeLiteral(key.direction)}`
}

/** `BEGIN` and the row lock that lets one worker at a time write (invariant 4). Its last result is the row. */
export function lockProgress(key: ProgressKey): string {
  return `BEGIN; SELECT position::text AS position, epoch::text AS epoch FROM ficus.progress WHERE ${progressRow(key)} FOR UPDATE`
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
