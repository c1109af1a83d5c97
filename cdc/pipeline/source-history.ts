import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { type ProgressKey, progressRow } from '../apply/progress.ts'
import { lsnToNumber, type Position } from '../change-source/position.ts'
import { type Endpoint, endSession, openReplicationSession } from '../database/session.ts'

/** Which history of which server a position belongs to; a promoted standby begins a new timeline of the same system. */
export interface SourceHistory {
  readonly system: string
  readonly timeline: number
}

/** Where a timeline left its parent, as PostgreSQL's history files tell. */
export interface Fork {
  readonly parent: number
  readonly lsn: string
}

/**
 * Part of the schema `ficus` of a target database, beside ficus.progress. Sent as one text it is one transaction: two
 * workers that start at once may both make it.
 */
const TABLE = `
  SELECT pg_advisory_xact_lock(hashtext('ficus sync schema'));
  CREATE TABLE IF NOT EXISTS ficus.source (
    capability text NOT NULL,
    direction text NOT NULL,
    system text NOT NULL,
    timeline int NOT NULL,
    PRIMARY KEY (capability, direction)
  )`

/**
 * Makes sure that what the target holds is in the source's past. A standby that was promoted before it had received all
 * lacks transactions that the target has, and its log's positions say nothing of that; so does a source that was
 * restored from a backup.
 * @throws FICUS_SLOT_LOST
 */
export async function assertInHistory(
  source: Endpoint,
  target: Client,
  key: ProgressKey,
  position: Position,
): Promise<void> {
  const known = await readHistory(target, key)
  const client = await openReplicationSession(source)
  try {
    const { rows } = await client.query<{ systemid: string; timeline: string | number; xlogpos: string }>(
      'IDENTIFY_SYSTEM',
    )
    const [server] = rows
    if (server === undefined) return
    const now: SourceHistory = { system: server.systemid, timeline: Number(server.timeline) }
    if (lsnToNumber(position.lsn) > lsnToNumber(server.xlogpos)) {
      throw ahead(source, position, `its log ends at ${server.xlogpos}`)
    }
    if (known !== null && known.system === now.system && known.timeline !== now.timeline) {
      const forks = now.timeline === 1 ? [] : await readForks(client, now.timeline)
      const why = outsideHistory(position, known.timeline, now.timeline, forks)
      if (why !== null) throw ahead(source, position, why)
    }
    if (known?.system !== now.system || known.timeline !== now.timeline) await noteHistory(target, key, now)
  } finally {
    await endSession(client)
  }
}

/** @param content of a history file: `parent <tab> position <tab> reason`, a line for each switch. */
export function parseForks(content: string): Fork[] {
  return content.split('\n').flatMap(line => {
    const [parent, lsn] = line.trim().split(/\s+/)
    return parent !== undefined && lsn !== undefined && /^\d+$/.test(parent) ? [{ parent: Number(parent), lsn }] : []
  })
}

/**
 * Why a position on timeline `known` is not in the past of a server that is on timeline `now`; null where it is.
 * @param forks those that the server's timeline comes from.
 */
export function outsideHistory({ lsn }: Position, known: number, now: number, forks: readonly Fork[]): string | null {
  const fork = forkOf(forks, known)
  // A server that was promoted beside the one that they come from, or is still where that one left it.
  if (fork === null) return `it is on timeline ${now}, which does not come from timeline ${known}, theirs`
  return lsnToNumber(lsn) > lsnToNumber(fork) ? `it left the history that they belong to at ${fork}` : null
}

/** Where the server's history left `timeline`; null where that is not among its ancestors. */
export function forkOf(forks: readonly Fork[], timeline: number): string | null {
  return forks.find(({ parent }) => parent === timeline)?.lsn ?? null
}

async function readForks(client: Client, timeline: number): Promise<Fork[]> {
  const { rows } = await client.query<{ content: Buffer | string }>(`TIMELINE_HISTORY ${timeline}`)
  return parseForks(rows[0]?.content.toString() ?? '')
}

async function readHistory(target: Client, key: ProgressKey): Promise<SourceHistory | null> {
  const { rowCount } = await target.query(`SELECT FROM pg_class WHERE oid = to_regclass('ficus.source')`)
  if (rowCount === 0) await target.query(TABLE)
  const { rows } = await target.query<SourceHistory>(
    `SELECT system, timeline FROM ficus.source WHERE ${progressRow(key)}`,
  )
  return rows[0] ?? null
}

/** Forgets which history the positions of a sync belonged to, where it gets a new start or is dropped. */
export async function forgetHistory(target: Client, key: ProgressKey): Promise<void> {
  const { rowCount } = await target.query(`SELECT FROM pg_class WHERE oid = to_regclass('ficus.source')`)
  if (rowCount !== 0) await target.query(`DELETE FROM ficus.source WHERE ${progressRow(key)}`)
}

async function noteHistory(target: Client, key: ProgressKey, { system, timeline }: SourceHistory): Promise<void> {
  await target.query(
    `INSERT INTO ficus.source VALUES ($1, $2, $3, $4)
     ON CONFLICT (capability, direction) DO UPDATE SET system = excluded.system, timeline = excluded.timeline`,
    [key.capability, key.direction, system, timeline],
  )
}

function ahead(source: Endpoint, position: Position, why: string): FicusError {
  return new FicusError(
    'FICUS_SLOT_LOST',
    `the target holds changes up to ${position.lsn} that ${source.name} does not have: ${why}. Was it set back, or a standby promoted that had not received all?`,
    {
      remedy:
        'Roll the capability back to legacy and advance it again, which copies anew. Name the standby’s slot in synchronized_standby_slots, so that sync never runs ahead of it.',
    },
  )
}
