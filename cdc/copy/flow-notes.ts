import { createHash } from 'node:crypto'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import pg, { type Client } from 'pg'
import { type ProgressKey, progressRow } from '../apply/progress.ts'
import type { Flow } from '../mapping/flow.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { type Anew, flowStorage, type TableStorage } from '../mapping/table-storage.ts'

/** What the target remembers of a flow, so that a sync file that changed meanwhile is noticed. */
export interface FlowNote {
  /** What is filled, see `filledBy`. */
  readonly target: string
  /** `schema.table` */
  readonly source: string
  /** The source table itself, whatever it is called now. */
  readonly sourceOid: number
  readonly key: string
  /** Fingerprint of what the target's rows are made by. */
  readonly mapping: string
  /** As the source table was when that was noted; null in a note of a Ficus that did not look, or did not look at as much. */
  readonly storage: TableStorage | null
  /** Its rows were not copied, but found: some may be nobody else's, and none goes unless a change says so. */
  readonly adopted: boolean
  /** The fingerprint of a newer mapping that did not fit the source, and where its log was by then; null where there is none. */
  readonly misfit: { readonly mapping: string; readonly lsn: string } | null
  /** Rows are being read beside the stream: the table was added, or its mapping changed. */
  readonly reading: boolean
  /**
   * Rows that the source no longer has are to be removed too: `later`, once all others were read, or `now`. Null where none
   * can be gone unseen.
   */
  readonly sweep: 'later' | 'now' | null
  /** The last key that was read, or with `now` looked for; null before the first. */
  readonly after: readonly string[] | null
  /** Where in the source's log the last rows were read; null while some are missing. */
  readonly until: string | null
  /** Where its log was when the reading was begun for the sake of what does not come; null where it was not. */
  readonly since: string | null
  readonly rows: number
}

/**
 * Part of the schema `ficus` of a target database, beside ficus.progress. Sent as one text it is one transaction: two
 * workers that start at once may both make it.
 */
const TABLE = `
  SELECT pg_advisory_xact_lock(hashtext('ficus sync schema'));
  CREATE TABLE IF NOT EXISTS ficus.flow (
    capability text NOT NULL,
    direction text NOT NULL,
    target text NOT NULL,
    source text NOT NULL,
    source_oid oid NOT NULL,
    key text NOT NULL,
    mapping text NOT NULL,
    reading boolean NOT NULL,
    after jsonb,
    until pg_lsn,
    rows bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (capability, direction, target)
  );
  ALTER TABLE ficus.flow ADD COLUMN IF NOT EXISTS storage jsonb, ADD COLUMN IF NOT EXISTS misfit jsonb,
    ADD COLUMN IF NOT EXISTS sweep text, ADD COLUMN IF NOT EXISTS since pg_lsn,
    ADD COLUMN IF NOT EXISTS adopted boolean NOT NULL DEFAULT false`

/** What a flow fills and no other does: its target, `schema.table`, or its part of a target that others fill too. */
export function filledBy({ to, from, shared }: Flow): string {
  return shared ? `${showTable(to)} of ${showTable(from)}` : showTable(to)
}

/** A note of a flow of which all rows are there. */
export function noteOf(flow: Flow, source: TableShape): FlowNote {
  const reads = flow.reads.map(({ table, matches }) => ({ table: showTable(table), matches }))
  // Of a function the text is all there is to see; what it calls or closes over may change unnoticed.
  const computed = flow.compute === undefined ? [] : [String(flow.compute)]
  const each = flow.each === undefined ? [] : [flow.each.rows]
  const made = JSON.stringify([flow.where, flow.columns.slice(flow.key.length), reads, ...computed, ...each])
  return {
    target: filledBy(flow),
    source: showTable(flow.from),
    sourceOid: source.oid,
    key: flow.key.map(({ from, to }, index) => `${madeOf(flow, index) ?? from} -> ${to}`).join(', '),
    mapping: createHash('sha256').update(made).digest('hex').slice(0, 16),
    storage: flowStorage(flow, source.storage),
    adopted: false,
    misfit: null,
    reading: false,
    sweep: null,
    after: null,
    until: null,
    since: null,
    rows: 0,
  }
}

/** The expression of a key column that does not hold the source's own value. */
function madeOf({ key, columns }: Flow, index: number): string | null {
  const expression = columns[index]?.expression ?? ''
  return !key[index]?.computed || expression === quoteIdentifier(key[index].from) ? null : expression
}

/** Makes the table of notes where it is missing. */
export async function createNotes(client: Client): Promise<void> {
  const { rows: found } = await client.query(
    `SELECT FROM pg_attribute WHERE attrelid = to_regclass('ficus.flow') AND attname = 'adopted'`,
  )
  if (found.length === 0) await client.query(TABLE)
}

/** The notes by what is filled; makes their table where it is missing. */
export async function readNotes(client: Client, key: ProgressKey): Promise<ReadonlyMap<string, FlowNote>> {
  await createNotes(client)
  const { rows } = await client.query<{
    target: string
    source: string
    source_oid: string
    key: string
    mapping: string
    storage: TableStorage | null
    adopted: boolean
    misfit: FlowNote['misfit']
    reading: boolean
    sweep: FlowNote['sweep']
    after: string[] | null
    until: string | null
    since: string | null
    rows: string
  }>(
    `SELECT target, source, source_oid::int8::text AS source_oid, key, mapping, CASE WHEN storage ? 'parts' THEN storage END AS storage, adopted, misfit, reading,
            sweep, after, until::text, since::text, rows
     FROM ficus.flow WHERE ${progressRow(key)}`,
  )
  return new Map(
    rows.map(({ source_oid, rows: count, ...row }) => [
      row.target,
      { ...row, sourceOid: Number(source_oid), rows: Number(count) },
    ]),
  )
}

/** Writes notes, over those of the same names. */
export async function writeNotes(client: Client, key: ProgressKey, notes: readonly FlowNote[]): Promise<void> {
  for (const note of notes) {
    await client.query(
      `INSERT INTO ficus.flow
         (capability, direction, target, source, source_oid, key, mapping, reading, after, until, rows, storage, misfit, sweep, since,
          adopted)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
       ON CONFLICT (capability, direction, target) DO UPDATE
         SET source = excluded.source, source_oid = excluded.source_oid, key = excluded.key, mapping = excluded.mapping,
             reading = excluded.reading, after = excluded.after, until = excluded.until, rows = excluded.rows,
             storage = excluded.storage, misfit = excluded.misfit, sweep = excluded.sweep, since = excluded.since,
             adopted = excluded.adopted`,
      [
        key.capability,
        key.direction,
        note.target,
        note.source,
        note.sourceOid,
        note.key,
        note.mapping,
        note.reading,
        note.after === null ? null : JSON.stringify(note.after),
        note.until,
        note.rows,
        note.storage === null ? null : JSON.stringify(note.storage),
        note.misfit === null ? null : JSON.stringify(note.misfit),
        note.sweep,
        note.since,
        note.adopted,
      ],
    )
  }
}

/** The target tables of which rows are being read beside the stream, `schema.table`. */
export async function readTablesBeside(client: Client, key: ProgressKey): Promise<string[]> {
  const { rowCount } = await client.query(`SELECT FROM pg_class WHERE oid = to_regclass('ficus.flow')`)
  if (rowCount === 0) return []
  const { rows } = await client.query<{ target: string }>(
    `SELECT target FROM ficus.flow WHERE ${progressRow(key)} AND reading ORDER BY target`,
  )
  return rows.map(row => row.target)
}

/** Forgets all notes of a sync whose copy begins anew, or that is dropped. */
export async function forgetNotes(client: Client, key: ProgressKey): Promise<void> {
  const { rows } = await client.query(`SELECT FROM pg_class WHERE oid = to_regclass('ficus.flow')`)
  if (rows.length > 0) await client.query(`DELETE FROM ficus.flow WHERE ${progressRow(key)}`)
}

/** The statement that notes how far the reading is, for the transaction that writes the rows. */
export function noteReading(key: ProgressKey, flow: Flow, reading: FlowNote): string {
  const after = reading.after === null ? 'NULL' : pg.escapeLiteral(JSON.stringify(reading.after))
  const [until, sweep] = [reading.until, reading.sweep].map(text => (text === null ? 'NULL' : pg.escapeLiteral(text)))
  return `UPDATE ficus.flow SET after = ${after}, until = ${until}, sweep = ${sweep}, rows = ${reading.rows} WHERE ${noteRow(key, flow)}`
}

/** Notes that all rows are there. Statistics first: they tell the merge's plans that the table has grown. */
export async function noteWhole(client: Client, key: ProgressKey, flow: Flow): Promise<void> {
  await client.query(`ANALYZE ${quoteTable(flow.to)}`)
  await client.query(
    `UPDATE ficus.flow SET reading = false, after = NULL, until = NULL, since = NULL WHERE ${noteRow(key, flow)}`,
  )
}

/** Which mirrors are to be read anew. Notes those of which nothing was noted yet. */
export async function readMirrorsAnew<M extends { readonly flow: Flow; readonly source: TableShape }>(
  client: Client,
  key: ProgressKey,
  mirrors: readonly M[],
): Promise<(M & { readonly note: FlowNote })[]> {
  if (mirrors.length === 0) return []
  const notes = await readNotes(client, key)
  const noted = mirrors.map(mirror => ({
    ...mirror,
    note: notes.get(filledBy(mirror.flow)) ?? noteOf(mirror.flow, mirror.source),
  }))
  await writeNotes(
    client,
    key,
    noted.map(({ note }) => note),
  )
  return noted.filter(({ note }) => note.reading)
}

/** A flow of which something is to be looked at anew. */
export interface FlowAnew {
  readonly flow: Flow
  readonly anew: Anew
  /** What the source's table is like by now. */
  readonly storage: TableStorage
}

/** Notes what is to be looked at anew beside what was already. @param since where the source's log is by now. */
export async function noteReadAnew(
  client: Client,
  key: ProgressKey,
  flows: readonly FlowAnew[],
  since: string,
): Promise<void> {
  // What an assignment reads is the row as it was.
  const rows = `($1 OR reading AND sweep IS DISTINCT FROM 'now')`
  for (const { flow, anew, storage } of flows) {
    await client.query(
      `UPDATE ficus.flow SET reading = true, after = NULL, until = NULL, rows = 0, storage = $3, since = $4,
         sweep = CASE WHEN NOT $2 AND sweep IS NULL THEN NULL WHEN ${rows} THEN 'later' ELSE 'now' END
       WHERE ${noteRow(key, flow)}`,
      [anew.rows, anew.gone, JSON.stringify(storage), since],
    )
  }
}

function noteRow(key: ProgressKey, flow: Flow): string {
  return `${progressRow(key)} AND target = ${pg.escapeLiteral(filledBy(flow))}`
}
