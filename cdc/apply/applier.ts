import { setTimeout as sleep } from 'node:timers/promises'
import type { Triggers } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client, QueryResult } from 'pg'
import type { Change, ChangeBatch, Relation } from '../change-source/change-source.ts'
import { lsnToNumber, type Position } from '../change-source/position.ts'
import { judgeFailure } from '../database/failure.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'
import { OPERATION } from '../mapping/merge-sql.ts'
import { Derivation, type TouchedMirror } from '../mirror/derivation.ts'
import type { Mirror } from '../mirror/mirror-plan.ts'
import { passSyncPoint } from '../pipeline/points.ts'
import { collapse, type StagedRow } from './collapse.ts'
import { Parking } from './parking.ts'
import { cutBatch, isPauseHeld } from './pause.ts'
import { lockProgress, moveProgress, type Progress, type ProgressKey, ProgressMoved } from './progress.ts'
import { segmentsOf } from './segments.ts'
import { canKeep, Staging, type TargetedFlow } from './staging.ts'
import type { RowToStage } from './staging-rows.ts'
import { targetChange } from './target-changes.ts'
import { fetchUnknownValues, type UnknownGroup } from './unknown-values.ts'
import { openWriterSession, type WriterSession } from './writer-session.ts'

/** How often it is asked whether to go on. */
const STAND_STILL_MS = 5

/** What an applier needs to know. */
export interface ApplierOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly key: ProgressKey
  /** In the order in which inserts suit the target's foreign keys. */
  readonly flows: readonly TargetedFlow[]
  /** The mirrors from which the rows of flows with `reads` are computed. */
  readonly mirrors: readonly Mirror[]
  readonly origin: string
  readonly triggers?: Triggers | undefined
  readonly progress: Progress
  /** How many changes may be parked before a refused one stops sync instead. */
  readonly maxParked: number
}

/**
 * Writes batches to a target, each in one transaction together with the position (invariant 4): rows are staged as they
 * came, then merged by statements whose select list is the mapping.
 */
export class Applier {
  readonly #options: ApplierOptions
  readonly #session: WriterSession
  readonly #client: Client
  #source: Client | undefined
  #stagings = new Map<Relation, readonly Staging[]>()
  #stagingCount = 0
  #position: Position
  /** A transaction of the source larger than one batch is under way in one of the target. */
  #open = false
  #openRows = 0
  /** Where the open transaction of the target has to end at the latest. */
  #pauseAt: bigint | null = null
  /** Of the batch that is being applied, by the source's ids. */
  #transactions: readonly number[] = []
  /** Staging tables that hold rows of the open transaction. */
  readonly #filled = new Set<Staging>()
  readonly #parking: Parking
  #expected: ReadonlySet<string> = new Set()
  /** The target's tables were compared with what they were at the start, within this transaction. */
  #targetSeen = false
  /** Deferred constraints are checked with each merge, since a commit was refused. */
  #checksAtOnce = false
  readonly #derivation: Derivation

  private constructor(options: ApplierOptions, session: WriterSession, position: Position, derivation: Derivation) {
    this.#derivation = derivation
    this.#options = options
    this.#session = session
    this.#client = session.client
    this.#position = position
    this.#parking = new Parking({
      client: session.client,
      key: options.key,
      maxParked: options.maxParked,
      stagingsOf: change => this.#stagings.get(change.relation) ?? [],
    })
  }

  /** @param options whose progress has a position. */
  static async open(options: ApplierOptions): Promise<Applier> {
    const { position } = options.progress
    if (position === null) throw new TypeError('an applier begins after the first copy')
    const session = await openWriterSession(options.target, options.origin, options.triggers)
    try {
      return new Applier(
        options,
        session,
        position,
        await Derivation.open(session.client, options.flows, options.mirrors),
      )
    } catch (error) {
      await endSession(session.client)
      throw error
    }
  }

  /**
   * Applies a batch. When this resolves and the batch has a position, both are committed.
   * What the target refuses of it is parked with it.
   * @throws FICUS_CHANGE_REFUSED where it cannot be parked; FICUS_SOURCE_CHANGED; ProgressMoved where another worker wrote
   *   meanwhile. Nothing of the batch is then kept; the applier is to be closed.
   */
  async apply(batch: ChangeBatch): Promise<void> {
    let rest: ChangeBatch | null = batch
    while (rest !== null) rest = await this.#applyUntilPause(rest)
  }

  /** Applies a batch up to where somebody wants it to stand still. @returns what is to be applied later. */
  async #applyUntilPause(whole: ChangeBatch): Promise<ChangeBatch | null> {
    const isNew = !this.#open
    let committing = false
    try {
      if (!this.#open) {
        this.#pauseAt = await this.#begin()
        if (this.#pauseAt !== null && lsnToNumber(this.#position.lsn) >= this.#pauseAt) {
          await this.#standStill()
          return whole
        }
      }
      // The batch that ends a transaction of several may go on with others.
      const { before: batch, after: rest } =
        this.#pauseAt === null ? { before: whole, after: null } : cutBatch(whole, this.#pauseAt)
      this.#transactions = batch.transactions
      for (const changes of segmentsOf(batch.changes)) {
        await this.#prepareStaging(changes)
        await this.#applyChanges(batch, changes)
      }
      this.#openRows += batch.changes.length
      committing = batch.position !== null
      if (batch.position !== null) await this.#commit(batch.position, batch.lastCommit)
      return rest
    } catch (error) {
      // The session is thrown away with all it holds, but the row lock should not wait for that.
      await this.#client.query('ROLLBACK').catch(() => {})
      if (committing && isNew && !this.#checksAtOnce && judgeFailure(error) === 'data') return this.#checkAtOnce(whole)
      const aboutShape = error instanceof FicusError && error.code === 'FICUS_SOURCE_CHANGED'
      throw (aboutShape ? await targetChange(this.#client, this.#options.flows) : null) ?? error
    }
  }

  /** How many changes are parked. */
  get parked(): number {
    return this.#parking.count
  }

  /**
   * Applies changes that were parked, all of them or none, beside the worker that carries this sync: the row lock keeps
   * the two apart, and the position stays.
   * @param read what is to be applied, read under the lock.
   * @param finish what else the transaction does.
   * @throws what the target says. The applier is then to be closed.
   */
  async applyParked(
    read: (client: Client) => Promise<Pick<ChangeBatch, 'data' | 'changes'>>,
    finish: (client: Client) => Promise<void>,
  ): Promise<void> {
    try {
      await this.#begin('wherever it stands')
      const { data, changes } = await read(this.#client)
      for (const segment of segmentsOf(changes)) {
        await this.#prepareStaging(segment)
        await this.#client.query('SAVEPOINT ficus')
        await this.#merge(data, segment)
      }
      await finish(this.#client)
      await this.#client.query('COMMIT')
      this.#open = false
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /** Applies rows that were read beside the stream, and runs `note` with them; the position stays. */
  async applyBeside(batch: ChangeBatch, note: string): Promise<void> {
    try {
      await this.#begin()
      // Mirrors are whole since the first copy, and follow the stream alone.
      await this.#prepareStaging(batch.changes, [])
      await this.#applyChanges(batch, batch.changes)
      await this.#client.query(`${note}; COMMIT`)
      this.#open = false
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /** Inserts into these source tables may meet rows that were read beside the stream: they are upserts. */
  expectRows(tables: ReadonlySet<string>): void {
    this.#expected = tables
  }

  async close(): Promise<void> {
    await Promise.all([endSession(this.#client), endSession(this.#source)])
  }

  /** Lets the row lock go for a moment. The source's reader goes on meanwhile, and keeps its connection alive. */
  async #standStill(): Promise<void> {
    await this.#client.query('ROLLBACK')
    this.#open = false
    await sleep(STAND_STILL_MS)
  }

  /** @returns where somebody wants the target to stand still, or null. */
  async #begin(expected: Position | 'wherever it stands' = this.#position): Promise<bigint | null> {
    const { triggersSilent, transactionMark } = this.#session
    const constraints = triggersSilent ? '' : 'SET CONSTRAINTS ALL DEFERRED'
    const results = await queryAll(this.#client, `${lockProgress(this.#options.key)}; ${transactionMark}${constraints}`)
    const row: LockedProgress = results[1]?.rows[0] ?? {}
    const stored = row.position === undefined ? '' : JSON.stringify(JSON.parse(row.position))
    const moved = expected !== 'wherever it stands' && sorted(stored) !== sorted(JSON.stringify(expected))
    if (moved || Number(row.epoch) !== this.#options.progress.epoch) {
      throw new ProgressMoved(`the target stands at ${stored}, not at ${JSON.stringify(expected)}`)
    }
    await this.#parking.begin(Number(row.parked_version))
    passSyncPoint('apply.begun')
    this.#open = true
    this.#targetSeen = false
    this.#openRows = 0
    this.#filled.clear()
    if (row.pause_at == null || !(await isPauseHeld(this.#client, this.#options.key))) return null
    return lsnToNumber(row.pause_at)
  }

  /** Applies a batch again whose commit was refused, so that it shows which change a deferred constraint is about. */
  async #checkAtOnce(batch: ChangeBatch): Promise<ChangeBatch | null> {
    this.#open = false
    // What the transaction made went with it.
    this.#stagings.clear()
    this.#parking.forget()
    this.#checksAtOnce = true
    try {
      return await this.#applyUntilPause(batch)
    } finally {
      this.#checksAtOnce = false
    }
  }

  async #commit(position: Position, lastCommit: number | null): Promise<void> {
    passSyncPoint('apply.merged')
    const committed = this.#client.query(
      `${moveProgress(this.#options.key, position, this.#openRows, lastCommit)}; COMMIT`,
    )
    passSyncPoint('apply.committing')
    await committed
    passSyncPoint('apply.committed')
    this.#position = position
    this.#open = false
  }

  /** Applies changes at once; if the server refuses a value, in halves, until it is clear which change it is: that is parked. */
  async #applyChanges(batch: ChangeBatch, all: readonly Change[]): Promise<void> {
    const changes = this.#parking.active ? await this.#parking.setAside(batch, all) : all
    if (changes.length === 0) return
    await this.#client.query('SAVEPOINT ficus')
    try {
      await this.#merge(batch.data, changes)
    } catch (error) {
      if (judgeFailure(error) !== 'data') throw error
      await this.#client.query('ROLLBACK TO SAVEPOINT ficus; RELEASE SAVEPOINT ficus')
      await this.#assertTargetUnchanged()
      const [only] = changes
      if (only === undefined || changes.length > 1) {
        // Together, rows may collide that did not one after the other: two that swap a unique value, say.
        const middle = Math.ceil(changes.length / 2)
        await this.#applyChanges(batch, changes.slice(0, middle))
        await this.#applyChanges(batch, changes.slice(middle))
        return
      }
      await this.#parking.park(batch, only, error)
    }
  }

  /** Once in a transaction that meets a refusal. */
  async #assertTargetUnchanged(): Promise<void> {
    if (this.#targetSeen) return
    const change = await targetChange(this.#client, this.#options.flows)
    if (change !== null) throw change
    this.#targetSeen = true
  }

  /** Stages and merges; the savepoint is released in the same round trip. */
  async #merge(data: Buffer, changes: readonly Change[]): Promise<void> {
    const statements = new StatementPlan()
    for (const [relation, ofTable] of Map.groupBy(changes, change => change.relation)) {
      for (const staging of this.#stagings.get(relation) ?? []) {
        await this.#stage(staging, data, ofTable, statements)
      }
    }
    const { flows, mirrors } = this.#options
    const { before, after, derived } = this.#derivation.follow(this.#touchedMirrors(changes))
    for (const { flow, statements: ofKeys } of derived) {
      statements.remove(flow, ofKeys.remove)
      statements.write(flow, ofKeys.merge)
    }
    const mirrored = [...before, ...statements.inOrder(mirrors), ...after]
    const checks = this.#checksAtOnce ? ['SET CONSTRAINTS ALL IMMEDIATE', 'SET CONSTRAINTS ALL DEFERRED'] : []
    const merge = [...mirrored, ...statements.inOrder(flows), ...checks, 'RELEASE SAVEPOINT ficus']
    await this.#client.query(merge.join('; '))
  }

  #touchedMirrors(changes: readonly Change[]): TouchedMirror[] {
    if (this.#options.mirrors.length === 0) return []
    const truncated = new Set(changes.filter(({ kind }) => kind === 'truncate').map(({ relation }) => relation))
    return [...new Set(changes.map(({ relation }) => relation))].flatMap(relation =>
      (this.#stagings.get(relation) ?? []).flatMap(({ table, flows }) => {
        const mirror = this.#options.mirrors.find(candidate => flows.some(({ flow }) => flow === candidate.flow))
        if (mirror === undefined) return []
        return [{ mirror, table, key: mirror.flow.key.map(({ from }) => from), truncated: truncated.has(relation) }]
      }),
    )
  }

  async #stage(staging: Staging, data: Buffer, changes: readonly Change[], plan: StatementPlan): Promise<void> {
    const { truncated, rows } = collapse(data, changes, staging.keyIndexes)
    if (truncated) for (const { flow, statements } of staging.flows) plan.remove(flow, statements.clear)
    if (rows.length === 0) return
    const { toStage, groups } = groupUnknown(staging, rows, this.#expected.has(showTable(staging.relation.table)))
    // A commit empties the table; within one transaction it may be filled more than once.
    if (this.#filled.has(staging)) await this.#client.query(`TRUNCATE ${staging.table}`)
    this.#filled.add(staging)
    await staging.fill(this.#client, data, toStage)
    for (const group of groups) await this.#complete(staging, group, plan)

    const operations = new Set([...toStage.map(row => row.operation), ...groups.map(group => group.operation)])
    const inserts = operations.has(OPERATION.INSERT) || operations.has(OPERATION.REPLACE)
    const removes = operations.has(OPERATION.DELETE) || operations.has(OPERATION.REPLACE)
    const updates = operations.has(OPERATION.UPDATE)
    for (const { flow, statements } of staging.flows) {
      if (removes || (updates && flow.where !== null)) plan.remove(flow, statements.remove)
      if (inserts) plan.write(flow, statements.insert)
      if (updates) plan.write(flow, statements.update)
    }
  }

  /** Deals with rows of which columns are unknown: leaves those of the target as they are, or asks the source. */
  async #complete(staging: Staging, group: UnknownGroup, plan: StatementPlan): Promise<void> {
    const isUnchanged = [...group.unknown].every(column => !staging.readBack.has(column))
    const keep =
      isUnchanged &&
      group.operation === OPERATION.UPDATE &&
      staging.flows.every(staged => canKeep(staged, group.unknown))
    if (!keep) {
      this.#source ??= await openSession(this.#options.source)
      await fetchUnknownValues(this.#client, this.#source, staging, group, this.#transactions)
    }
    for (const staged of staging.flows) {
      plan.write(staged.flow, staging.keptStatement(staged, group.placeholder, group.unknown))
    }
  }

  /**
   * Makes the staging tables of tables that are met for the first time, or in a new shape. Flows with `reads` have none:
   * their rows follow from the mirrors.
   */
  async #prepareStaging(changes: readonly Change[], mirrors: readonly Mirror[] = this.#options.mirrors): Promise<void> {
    const staged = [...mirrors, ...this.#options.flows.filter(({ flow }) => flow.reads.length === 0)]
    for (const relation of new Set(changes.map(change => change.relation))) {
      if (this.#stagings.has(relation)) continue
      const flows = staged.filter(({ flow }) => showTable(flow.from) === showTable(relation.table))
      const stagings: Staging[] = []
      for (const sameKey of Map.groupBy(flows, ({ flow }) => flow.key.map(({ from }) => from).join('\0')).values()) {
        this.#stagingCount += 1
        stagings.push(await Staging.create(this.#client, relation, sameKey, `ficus_staging_${this.#stagingCount}`))
      }
      this.#stagings.set(relation, stagings)
    }
  }
}

/** What `lockProgress` finds; nothing of it where the sync was dropped. */
interface LockedProgress {
  readonly position?: string
  readonly epoch?: string
  readonly parked_version?: string
  readonly pause_at?: string | null
}

/** The merge's statements: all that remove rows, children first; then all that write them, parents first. */
class StatementPlan {
  readonly #removes = new Map<unknown, string[]>()
  readonly #writes = new Map<unknown, string[]>()

  remove(flow: TargetedFlow['flow'], sql: string): void {
    this.#removes.set(flow, [...(this.#removes.get(flow) ?? []), sql])
  }

  write(flow: TargetedFlow['flow'], sql: string): void {
    this.#writes.set(flow, [...(this.#writes.get(flow) ?? []), sql])
  }

  inOrder(flows: readonly TargetedFlow[]): string[] {
    const removes = flows.toReversed().flatMap(({ flow }) => this.#removes.get(flow) ?? [])
    return [...removes, ...flows.flatMap(({ flow }) => this.#writes.get(flow) ?? [])]
  }
}

/**
 * Sets rows with unknown columns apart, by which columns they are. Columns that no expression reads do not matter.
 * @param upserts whether new rows may be there already.
 */
function groupUnknown(
  staging: Staging,
  rows: readonly StagedRow[],
  upserts: boolean,
): { toStage: readonly RowToStage[]; groups: readonly UnknownGroup[] } {
  if (!upserts && rows.every(row => row.unknown.length === 0)) return { toStage: rows, groups: [] }
  const groups = new Map<string, UnknownGroup>()
  const toStage = rows.map(row => {
    const isNew = row.operation === OPERATION.INSERT || row.operation === OPERATION.REPLACE
    const operation = upserts && isNew ? OPERATION.UPDATE : row.operation
    const unknown = row.unknown.flatMap(index => staging.relation.columns[index]?.name ?? [])
    const read = unknown.filter(name => staging.columns.includes(name))
    if (read.length === 0) return { operation, starts: row.starts }
    const id = `${row.operation} ${row.unknown.join(' ')}`
    const group = groups.get(id) ?? {
      operation,
      isNew,
      placeholder: OPERATION.KEPT + groups.size,
      unknown: new Set(read),
    }
    groups.set(id, group)
    return { operation: group.placeholder, starts: row.starts }
  })
  return { toStage, groups: [...groups.values()] }
}

/** jsonb sorts the keys of an object; positions are compared as values. */
function sorted(json: string): string {
  return json === '' ? '' : JSON.stringify(JSON.parse(json, (_, value) => sortKeys(value)))
}

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The results of several statements sent as one text. pg types that as one result. */
async function queryAll(client: Client, sql: string): Promise<readonly QueryResult[]> {
  const results: unknown = await client.query(sql)
  return Array.isArray(results) ? results : []
}
