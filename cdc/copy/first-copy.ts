import type { CopyIndexes, Triggers } from '@ficus/core/config/schema'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { databaseError } from '@ficus/core/ledger/connection'
import { quoteTable, showTable } from '@ficus/core/sql/identifier'
import pg, { type Client } from 'pg'
import type { SyncKey } from '../apply/progress.ts'
import { openWriterSession } from '../apply/writer-session.ts'
import type { Position } from '../change-source/position.ts'
import { createExportedSlot, createPublication, dropSlotAndPublication } from '../change-source/slot.ts'
import { copyAcross } from '../database/copy-across.ts'
import { judgeFailure } from '../database/failure.ts'
import { assertNotRewritten } from '../database/rewritten.ts'
import { type Endpoint, endSession, openSession, withSession } from '../database/session.ts'
import { withoutValues } from '../database/without-values.ts'
import { type Flow, sourceTables } from '../mapping/flow.ts'
import { readTableShapes, type TableShape } from '../mapping/table-shape.ts'
import type { Mirror } from '../mirror/mirror-plan.ts'
import { createMirrors } from '../mirror/mirror-tables.ts'
import { resolveReads } from '../mirror/resolve-reads.ts'
import { passSyncPoint } from '../pipeline/points.ts'
import { copyComputed } from './computed-copy.ts'
import { type CopyTask, copyTasks } from './copy-plan.ts'
import { dropIndexes, rebuildIndexes, restoreIndexes } from './deferred-indexes.ts'
import { noteOf } from './flow-notes.ts'
import { claimTarget, finishCopy } from './target-tables.ts'

/** unique_violation */
const UNIQUE_VIOLATION = '23505'

/** A flow with both its tables as they are now. */
export interface ShapedFlow {
  readonly flow: Flow
  readonly source: TableShape
  readonly target: TableShape
  /** Those that the flow reads besides, in the order of its `reads`. */
  readonly reads: readonly TableShape[]
}

/** How far a copy is. */
export interface CopyProgress {
  readonly copiedRows: number
  /** In all, as far as the planner's statistics tell. */
  readonly estimatedRows: number
}

export interface FirstCopyOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly key: SyncKey
  /** In the order in which inserts suit the target's foreign keys. */
  readonly flows: readonly ShapedFlow[]
  /** Made anew, and copied like the flows' own tables. */
  readonly mirrors: readonly Mirror[]
  /** Names the slot and the publication. */
  readonly slot: string
  /** Whether standbies keep a copy of the slot, where they can. */
  readonly failoverSlot: boolean
  readonly workers: number
  /** Whether the target's indexes are made after the rows, where that may be. */
  readonly indexes: CopyIndexes
  readonly triggers?: Triggers | undefined
  readonly onProgress: (progress: CopyProgress) => void
  readonly signal: AbortSignal
}

/**
 * The first copy and the hand-over to the stream: publication, slot, and all tables as of the slot's snapshot, so that
 * the stream holds exactly what the copy does not. A copy that was broken off is begun anew: its slot goes and its rows too.
 *
 * @returns where the stream begins.
 * @throws FICUS_TARGET_NOT_EMPTY, FICUS_DATABASE_UNFIT, FICUS_DATABASE_UNREACHABLE, FICUS_CHANGE_REFUSED where the target
 *   refuses a row.
 */
export async function firstCopy(options: FirstCopyOptions): Promise<Position> {
  const { source, target, key, flows, mirrors, slot } = options
  await withSession(target, async client => {
    await claimTarget(
      client,
      target,
      key,
      flows.map(({ flow }) => flow.to),
    )
    await createMirrors(client, target, key, mirrors)
  })
  passSyncPoint('copy.claimed')
  await dropSlotAndPublication(source, slot)
  await withSession(source, client =>
    createPublication(client, source, slot, sourceTables(flows.map(({ flow }) => flow))),
  )
  passSyncPoint('copy.published')
  await using exported = await createExportedSlot(source, slot, options.failoverSlot)
  passSyncPoint('copy.slot')

  const copied = [...flows, ...mirrors]
  const rows = await withIndexesAfter(options, async () => {
    const count = await copyTables(options, exported.snapshot, copied)
    passSyncPoint('copy.rows')
    return count
  })
  const position: Position = { lsn: exported.consistentPoint }
  await withSession(target, client =>
    finishCopy(
      client,
      key,
      copied.map(({ flow }) => flow),
      copied.map(({ flow, source: shape }) => noteOf(flow, shape)),
      position,
      rows,
    ),
  )
  passSyncPoint('copy.finished')
  return position
}

/** Fills the target's tables by `copy`, without their indexes meanwhile where that may be. */
async function withIndexesAfter(options: FirstCopyOptions, copy: () => Promise<number>): Promise<number> {
  const { target, key, flows, signal } = options
  if (options.indexes === 'during') return copy()
  const session = await openWriterSession(target, null, options.triggers)
  const tables = flows.map(({ flow }) => flow.to)
  const epoch = await dropIndexes(session.client, key, tables, session.triggersSilent).finally(() =>
    endSession(session.client),
  )
  passSyncPoint('copy.indexes-dropped')
  try {
    const rows = await copy()
    await rebuildIndexes(target, key, epoch, signal).catch(error => {
      throw indexFailure(error, options)
    })
    passSyncPoint('copy.indexed')
    return rows
  } catch (error) {
    // Whoever comes next would do it, but nobody may come for long, and the service may need its indexes.
    await withSession(target, client => restoreIndexes(client, key, epoch)).catch(() => {})
    throw error
  }
}

/** What the rows themselves are to blame for is said as it would be of a row. */
function indexFailure(error: unknown, { target, flows }: FirstCopyOptions): unknown {
  if (!(error instanceof pg.DatabaseError) || judgeFailure(error) !== 'data') {
    return databaseError(error, target.name, target.url)
  }
  const flow = flows.find(({ flow: { to } }) => to.schema === error.schema && to.table === error.table)?.flow
  return refusal(error, flow ?? null, `${error.message}: ${error.detail ?? ''}`)
}

/** What a run of COPYs needs to know. */
export type CopyOptions = Pick<FirstCopyOptions, 'source' | 'target' | 'workers' | 'triggers' | 'onProgress' | 'signal'>

/** Copies whole tables as of an exported snapshot. @returns the number of rows. */
export async function copyTables(
  options: CopyOptions,
  snapshot: string,
  tables: readonly ShapedFlow[],
): Promise<number> {
  const whole = await tablesToCopyWhole(options, tables)
  const tasks = tables.flatMap(({ flow, source, target }) => copyTasks(flow, source, target, whole.has(target.oid)))
  return new CopyRun(options, snapshot, tasks).run()
}

/** Those whose foreign keys act and refer to the table itself: a parent may stand in a range behind that of its child. */
async function tablesToCopyWhole(
  { target, triggers }: CopyOptions,
  tables: readonly ShapedFlow[],
): Promise<ReadonlySet<number>> {
  const { client, triggersSilent } = await openWriterSession(target, null, triggers)
  try {
    if (triggersSilent) return new Set()
    const { rows } = await client.query<{ oid: string }>(
      `SELECT DISTINCT conrelid::int8::text AS oid FROM pg_constraint
       WHERE contype = 'f' AND conrelid = confrelid AND conrelid = ANY ($1::int8[]::oid[])`,
      [tables.map(({ target: { oid } }) => oid)],
    )
    return new Set(rows.map(({ oid }) => Number(oid)))
  } finally {
    await endSession(client)
  }
}

class CopyRun {
  readonly #options: CopyOptions
  readonly #snapshot: string
  readonly #tasks: CopyTask[]
  readonly #estimatedRows: number
  readonly #failed = new AbortController()
  #copiedRows = 0

  constructor(options: CopyOptions, snapshot: string, tasks: readonly CopyTask[]) {
    this.#options = options
    this.#snapshot = snapshot
    this.#tasks = [...tasks]
    this.#estimatedRows = Math.round(tasks.reduce((sum, task) => sum + task.estimatedRows, 0))
  }

  /** @returns the number of rows copied. */
  async run(): Promise<number> {
    this.#tell()
    const workers = Math.min(this.#options.workers, this.#tasks.length)
    const working = Array.from({ length: workers }, (_, index) => this.#work(index))
    const results = await Promise.allSettled(working)
    const failure = results.find(result => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
    this.#options.signal.throwIfAborted()
    return this.#copiedRows
  }

  async #work(index: number): Promise<void> {
    const { source, target, signal } = this.#options
    let reader: Client | undefined
    let writer: Client | undefined
    try {
      const session = await openWriterSession(target, null, this.#options.triggers)
      writer = session.client
      // Nothing counts until the copy is whole, and the commit that says so brings all before it to the disk too.
      await writer.query('SET synchronous_commit = off')
      // Where foreign keys hold, parents must be there before their children: one worker, in order.
      if (!session.triggersSilent && index > 0) return
      reader = await openSession(source)
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      await reader.query(`SET TRANSACTION SNAPSHOT ${pg.escapeLiteral(this.#snapshot)}`)
      const stop = AbortSignal.any([signal, this.#failed.signal])
      for (let task = this.#tasks.shift(); task !== undefined && !stop.aborted; task = this.#tasks.shift()) {
        // Added only once it is known: `+= await` would read the sum before the wait, and forget what others add meanwhile.
        const rows = await this.#copy(task, reader, writer, stop)
        await assertNotRewritten(reader, [task.flow.from, ...task.flow.reads.map(({ table }) => table)])
        this.#copiedRows += rows
        passSyncPoint('copy.range')
        this.#tell()
      }
    } catch (error) {
      this.#failed.abort(error)
      throw error
    } finally {
      await Promise.all([endSession(reader), endSession(writer)])
    }
  }

  async #copy(task: CopyTask, reader: Client, writer: Client, signal: AbortSignal): Promise<number> {
    try {
      const from = { client: reader, sql: task.out }
      const to = { client: writer, sql: task.in }
      if (task.computed === null) return await copyAcross(from, to, signal)
      return await copyComputed(task.computed.flow, task.computed.columns, from, to, signal)
    } catch (error) {
      // A failed COPY leaves its session in the middle of the protocol.
      await Promise.all([destroy(reader), destroy(writer)])
      if (signal.aborted) throw signal.reason
      throw copyFailure(error, task, this.#options)
    }
  }

  #tell(): void {
    const estimatedRows = Math.max(this.#estimatedRows, this.#copiedRows)
    this.#options.onProgress({ copiedRows: this.#copiedRows, estimatedRows })
  }
}

async function destroy(client: Client): Promise<void> {
  await endSession(client)
}

function copyFailure(error: unknown, task: CopyTask, { source, target }: CopyOptions): unknown {
  if (judgeFailure(error) === 'data') {
    return refusal(error, task.flow, messageOf(error))
  }
  return databaseError(databaseError(error, target.name, target.url), source.name, source.url)
}

function refusal(cause: unknown, flow: Flow | null, reason: string): FicusError {
  const doubled =
    flow?.each !== undefined && systemCodeOf(cause) === UNIQUE_VIOLATION
      ? `; ${flow.path}.each.key has to tell apart what one row of ${showTable(flow.from)} becomes`
      : ''
  const why = `${withoutValues(cause)}${doubled}`
  const message =
    flow === null
      ? `the target cannot take the copy: ${why}`
      : `${showTable(flow.to)} cannot take the copy of ${showTable(flow.from)}: ${why}`
  const details = { reason, sqlState: systemCodeOf(cause), ...(flow === null ? {} : { table: showTable(flow.from) }) }
  return new FicusError('FICUS_CHANGE_REFUSED', message, { cause, details })
}

/** Reads the live shapes of all flows. @throws FICUS_MAPPING_INVALID where a table does not exist. */
export async function shapeFlows(source: Client, target: Client, flows: readonly Flow[]): Promise<ShapedFlow[]> {
  const sourceOf = await readTableShapes(
    source,
    flows.map(({ from }) => from),
  )
  const targetOf = await readTableShapes(
    target,
    flows.map(({ to }) => to),
  )
  const shaped: ShapedFlow[] = []
  for (const flow of flows) {
    const from = sourceOf(flow.from)
    const to = targetOf(flow.to)
    if (from === null || to === null) {
      const missing =
        from === null
          ? `the source has no table ${quoteTable(flow.from)}`
          : `the target has no table ${quoteTable(flow.to)}`
      throw new FicusError('FICUS_MAPPING_INVALID', `${flow.path}: ${missing}`)
    }
    shaped.push({ ...(await resolveReads(source, flow)), source: from, target: to })
  }
  return shaped
}
