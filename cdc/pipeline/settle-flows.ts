import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Progress, type ProgressKey, progressRow } from '../apply/progress.ts'
import type { ChangeSource } from '../change-source/change-source.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { addToPublication, readLogEnd, readPublishedTables } from '../change-source/slot.ts'
import type { ReadFlow } from '../copy/added-tables.ts'
import { changedFlows, type FlowChange } from '../copy/changed-flows.ts'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { type FlowNote, readNotes, writeNotes } from '../copy/flow-notes.ts'
import type { Endpoint } from '../database/session.ts'
import { checkMapping } from '../mapping/check-mapping.ts'
import { checkTarget } from '../mapping/check-tables.ts'
import { type Direction, type Sync, settingOf, sourceTables } from '../mapping/flow.ts'
import { type MappingProblem, mappingInvalid } from '../mapping/parse-sync.ts'
import { readTableShapes } from '../mapping/table-shape.ts'
import { passSyncPoint } from './points.ts'

const COPY_ANEW = 'Roll the capability back to legacy and start again, which copies anew.'

export interface PlanOptions {
  readonly source: { readonly endpoint: Endpoint; readonly client: Client }
  readonly target: { readonly endpoint: Endpoint; readonly client: Client }
  readonly key: ProgressKey
  readonly sync: Sync
  readonly direction: Direction
  readonly flows: readonly ShapedFlow[]
  readonly progress: Progress
  readonly publication: string
  readonly engine: ChangeSource['engine']
}

export interface SettleOptions extends Omit<PlanOptions, 'engine'> {
  readonly changes: ChangeSource
}

/** What follows from a sync file that changed. */
export interface Settled {
  /** Flows of which rows are to be read beside the stream. */
  readonly toRead: readonly ReadFlow[]
  readonly misfit: Misfit | null
}

/** Changed mappings that do not fit the source as it is: they may fit what the stream holds until it has come to `at`. */
export interface Misfit {
  readonly at: bigint
  readonly error: FicusError
}

/** What would follow from a sync file, were it carried out now. */
export interface PlannedFlows {
  readonly changes: readonly FlowChange[]
  readonly misfit: Misfit | null
}

/**
 * Compares the sync file with what sync has carried until now; writes nothing that was not there.
 *
 * @throws FICUS_MAPPING_CHANGED, FICUS_MAPPING_INVALID, FICUS_SOURCE_CHANGED, FICUS_TARGET_NOT_EMPTY: sync would not go on.
 */
export async function planFlows(options: PlanOptions): Promise<PlannedFlows> {
  const { target, key, progress, direction, engine } = options
  const unfit = options.flows.flatMap(({ flow, target: shape }) => checkTarget(flow, shape, settingOf(flow, direction)))
  if (unfit.length > 0) throw mappingInvalid('the mapping', unfit)
  const notes = await readNotes(target.client, key)
  const changes = changedFlows(options.flows, { notes, tables: progress.tables })
  if (engine === 'debezium') assertSameNames(changes, notes)
  const { settled, misfit } = await checkChanges(options, changes, notes)
  const added = settled.filter(({ kind }) => kind === 'add')
  await assertEmpty(options, added)
  await assertPublished(options, added)
  return { changes: settled, misfit }
}

/**
 * Sees to it that a sync file that changed since the last time is carried out, before the stream goes on: claims and
 * publishes tables that were added, and says which rows have to be read beside the stream. The publication comes before
 * the note, so that a table that is noted was published at all times since.
 *
 * @throws FICUS_MAPPING_CHANGED, FICUS_MAPPING_INVALID, FICUS_SOURCE_CHANGED, FICUS_TARGET_NOT_EMPTY, FICUS_DATABASE_UNFIT.
 */
export async function settleFlows(options: SettleOptions): Promise<Settled> {
  const { source, target, key, progress, publication } = options
  const { changes: settled, misfit } = await planFlows({ ...options, engine: options.changes.engine })
  const added = settled.filter(({ kind }) => kind === 'add')
  if (added.length > 0 && progress.position !== null) await options.changes.beforePublishing?.(progress.position)
  await addToPublication(
    source.client,
    source.endpoint,
    publication,
    added.map(({ shaped }) => shaped.flow.from),
  )
  if (added.length > 0) passSyncPoint('added.published')
  await target.client.query('BEGIN')
  await target.client.query(`UPDATE ficus.progress SET tables = tables || $1::jsonb WHERE ${progressRow(key)}`, [
    JSON.stringify(added.map(({ note }) => note.target)),
  ])
  await writeNotes(
    target.client,
    key,
    settled.map(({ note }) => note),
  )
  await target.client.query('COMMIT')
  const toRead = settled.flatMap(({ shaped, kind, note }) =>
    kind === 'add' || kind === 'read' ? [{ ...shaped, note }] : [],
  )
  return { toRead, misfit }
}

/**
 * An added table must fit. A changed mapping that does not fit the source as it is now may fit what the stream has yet to
 * pass: rows are then not read anew until it does, and once the stream has passed all of that it is refused.
 */
async function checkChanges(
  { source, target, sync, direction, progress }: PlanOptions,
  changes: readonly FlowChange[],
  notes: ReadonlyMap<string, FlowNote>,
): Promise<{ settled: readonly FlowChange[]; misfit: Misfit | null }> {
  const isNew = ({ note }: FlowChange) => notes.get(note.target)?.mapping !== note.mapping
  if (changes.every(change => change.kind === 'adopt' || !isNew(change))) return { settled: changes, misfit: null }
  const lsn = await readLogEnd(source.client)
  const { problems } = await checkMapping(source.client, target.client, sync, direction)
  const problemsOf = ({ shaped }: FlowChange) => problems.filter(({ path }) => isUnder(path, shaped.flow.path))
  const ofAdded = changes.filter(({ kind }) => kind === 'add').flatMap(problemsOf)
  if (ofAdded.length > 0) throw mappingInvalid('the mapping', ofAdded)
  const reached = lsnToNumber(progress.position?.lsn ?? '0/0')
  const misfits: FlowMisfit[] = []
  const settled = changes.map((change): FlowChange => {
    if (change.kind === 'adopt' || !isNew(change)) return change
    if (change.kind !== 'none' && change.shaped.flow.reads.length > 0) throw needsCopy(change)
    const before = notes.get(change.note.target)
    const ofChange = problemsOf(change)
    if (before === undefined || ofChange.length === 0) return change
    const { mapping } = change.note
    const seen = before.misfit?.mapping === mapping ? before.misfit : { mapping, lsn }
    misfits.push({ at: lsnToNumber(seen.lsn), problems: ofChange })
    return { ...change, kind: 'none', note: { ...before, misfit: seen } }
  })
  const passed = misfits.filter(({ at }) => reached >= at).flatMap(({ problems }) => problems)
  if (passed.length > 0) throw mappingInvalid('the mapping', passed)
  return { settled, misfit: firstOf(misfits) }
}

/** What does not fit of one flow. */
interface FlowMisfit {
  readonly at: bigint
  readonly problems: readonly MappingProblem[]
}

/** The first that the stream comes to; the others are refused with it, or when sync comes up again. */
function firstOf(misfits: readonly FlowMisfit[]): Misfit | null {
  const [first] = misfits.toSorted((a, b) => (a.at < b.at ? -1 : 1))
  if (first === undefined) return null
  const problems = misfits.filter(({ at }) => at === first.at).flatMap(({ problems }) => problems)
  return { at: first.at, error: mappingInvalid('the mapping', problems) }
}

/** Debezium knows a table by its name alone. */
function assertSameNames(changes: readonly FlowChange[], notes: ReadonlyMap<string, FlowNote>): void {
  for (const { note } of changes) {
    const before = notes.get(note.target)?.source ?? note.source
    if (before === note.source) continue
    throw new FicusError(
      'FICUS_SOURCE_CHANGED',
      `${before} is called ${note.source} now: Debezium left its changes out since it was renamed`,
      { remedy: COPY_ANEW },
    )
  }
}

function isUnder(path: MappingProblem['path'], flowPath: string): boolean {
  return path === flowPath || path.startsWith(`${flowPath}.`)
}

function needsCopy({ shaped, kind }: FlowChange): FicusError {
  return new FicusError(
    'FICUS_MAPPING_CHANGED',
    `${shaped.flow.path} ${kind === 'add' ? 'was added' : 'was changed'} and looks into other tables, which only a first copy can fill`,
    { remedy: 'Put it back; or roll the capability back to legacy and start again, which copies anew.' },
  )
}

async function assertEmpty({ target }: PlanOptions, added: readonly FlowChange[]): Promise<void> {
  const filled: string[] = []
  for (const { shaped, note } of added) {
    const { rowCount } = await target.client.query(`SELECT FROM ${quoteTable(shaped.flow.to)} LIMIT 1`)
    if (rowCount !== 0) filled.push(note.target)
  }
  if (filled.length === 0) return
  throw new FicusError(
    'FICUS_TARGET_NOT_EMPTY',
    `${filled.join(', ')} of ${target.endpoint.name} ${filled.length === 1 ? 'holds' : 'hold'} rows already, and the sync file has them filled from now on`,
    { details: { tables: filled } },
  )
}

/** A table that was carried and is no longer published has changed unnoticed since. */
async function assertPublished(
  { source, publication, flows }: PlanOptions,
  added: readonly FlowChange[],
): Promise<void> {
  const published = await readPublishedTables(source.client, publication)
  const isNew = new Set(added.map(({ shaped }) => showTable(shaped.flow.from)))
  const carried = sourceTables(flows.map(({ flow }) => flow)).filter(table => !isNew.has(showTable(table)))
  const shapeOf = await readTableShapes(source.client, carried)
  const missing = carried.filter(table => !published.has(shapeOf(table)?.oid ?? 0)).map(showTable)
  if (missing.length === 0) return
  throw new FicusError(
    'FICUS_SOURCE_CHANGED',
    `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} no longer in publication ${publication} of ${source.endpoint.name}: changes since then never came`,
    { remedy: COPY_ANEW },
  )
}
