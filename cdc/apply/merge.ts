import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Change, Relation } from '../change-source/change-source.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'
import type { Flow } from '../mapping/flow.ts'
import { moveInTurnStatement, moveStatement, OPERATION, replacedStatement } from '../mapping/merge-sql.ts'
import { assertUnaltered, columnsOfOtherType } from '../mirror/altered-source.ts'
import type { Derivation, TouchedMirror } from '../mirror/derivation.ts'
import { isMirror, type Mirror } from '../mirror/mirror-plan.ts'
import { type Collapsed, collapse, type StagedRow } from './collapse.ts'
import { assertNoneDoubled } from './doubled-rows.ts'
import { assertAllOwn } from './own-rows.ts'
import { canKeep, Staging, type TargetedFlow } from './staging.ts'
import type { StagingRoom } from './staging-room.ts'
import type { RowToStage } from './staging-rows.ts'
import { fetchUnknownValues, type UnknownGroup } from './unknown-values.ts'

const STAGING_PREFIX = 'ficus_staging_'

export interface MergeOptions {
  readonly source: Endpoint
  /** In the order in which inserts suit the target's foreign keys. */
  readonly flows: readonly TargetedFlow[]
  /** The mirrors from which the rows of flows with `reads` are computed. */
  readonly mirrors: readonly Mirror[]
}

/** Takes changes to the target's tables, within the transaction that its session is in: staged, then merged set-wise. */
export class Merge {
  /** Of the batch that is being applied, by the source's ids. */
  transactions: readonly number[] = []
  /** Source tables whose inserts may meet rows that were read beside the stream: they are upserts. */
  expected: ReadonlySet<string> = new Set()
  /** Deferred constraints are checked with each merge, since a commit was refused. */
  checksAtOnce = false
  readonly #options: MergeOptions
  readonly #client: Client
  readonly #derivation: Derivation
  #source: Client | undefined
  readonly #stagings = new Map<Relation, readonly Staging[]>()
  /** By table, of what is streamed and of what is read beside the stream. */
  readonly #latest = new Map<string, Relation>()
  /** Those that came before the latest ones; nothing in their shape comes behind what is being merged. */
  readonly #outdated = new Set<Relation>()
  #stagingCount = 0

  constructor(options: MergeOptions, client: Client, derivation: Derivation) {
    this.#options = options
    this.#client = client
    this.#derivation = derivation
  }

  stagingsOf(relation: Relation): readonly Staging[] {
    return this.#stagings.get(relation) ?? []
  }

  /** Begins anew after a transaction was rolled back that may have made staging tables, or dropped some: no table is left. */
  async forget(): Promise<void> {
    this.#stagings.clear()
    this.#latest.clear()
    this.#outdated.clear()
    const { rows } = await this.#client.query<{ table: string }>(
      `SELECT oid::regclass::text AS "table" FROM pg_class
       WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' AND starts_with(relname, '${STAGING_PREFIX}')`,
    )
    await this.#drop(rows.map(({ table }) => table))
  }

  async close(): Promise<void> {
    await endSession(this.#source)
  }

  /** Whether the staging tables of these changes are there. */
  isPrepared(changes: readonly Change[]): boolean {
    return changes.every(({ relation }) => this.#stagings.has(relation))
  }

  /** Fills the staging tables. @returns what takes the rows from there to the target's tables, and which changes have to wait. */
  async stage(data: Buffer, changes: readonly Change[]): Promise<Staged> {
    const reduced: { staging: Staging; rows: Collapsed }[] = []
    let end = changes.length
    for (const [relation, ofTable] of Map.groupBy(changes, change => change.relation)) {
      for (const staging of this.#stagings.get(relation) ?? []) {
        // Where rows were read beside the stream, one may be at its new key already.
        const moves = staging.moves && !this.expected.has(showTable(relation.table))
        const rows = collapse(data, ofTable, staging.keyIndexes, moves)
        reduced.push({ staging, rows })
        const left = ofTable[rows.taken]
        if (left !== undefined) end = Math.min(end, changes.indexOf(left))
      }
    }
    if (end < changes.length) {
      const { statements, changes: taken } = await this.stage(data, changes.slice(0, end))
      return { changes: taken, statements, rest: changes.slice(end) }
    }
    const statements = new StatementPlan()
    for (const { staging, rows } of reduced) await this.#stage(staging, data, rows, statements)
    return { changes, statements, rest: [] }
  }

  /** Merges what is staged; the savepoint is released in the same round trip. */
  async run({ changes, statements }: Omit<Staged, 'rest'>): Promise<void> {
    const { flows, mirrors } = this.#options
    const { before, after, derived } = this.#derivation.follow(this.#touchedMirrors(changes))
    for (const { flow, statements: ofKeys } of derived) {
      statements.remove(flow, ofKeys.remove)
      statements.write(flow, ofKeys.merge)
      statements.guard(flow, ofKeys.others)
    }
    const mirrored = [...before, ...statements.inOrder(mirrors), ...after]
    const checks = this.checksAtOnce ? ['SET CONSTRAINTS ALL IMMEDIATE', 'SET CONSTRAINTS ALL DEFERRED'] : []
    const merge = [...mirrored, ...statements.inOrder(flows), ...checks, 'RELEASE SAVEPOINT ficus']
    const large = this.#largeRooms()
    await this.#runInOrder([...merge, ...large.map(room => room.truncating)])
    for (const room of large) room.truncated()
  }

  /** In one round trip, but for guards. */
  async #runInOrder(steps: readonly (string | Guard)[]): Promise<void> {
    let statements: string[] = []
    for (const step of steps) {
      if (typeof step === 'string') {
        statements.push(step)
        continue
      }
      if (statements.length > 0) await this.#client.query(statements.join('; '))
      statements = []
      await assertAllOwn(this.#client, step.flow, step.others)
    }
    await this.#client.query(statements.join('; '))
  }

  /** Whatever table they are of: what could not be merged left its room taken too. */
  #largeRooms(): StagingRoom[] {
    return [...this.#stagings.values()].flat().flatMap(({ rooms }) => rooms.filter(({ isLarge }) => isLarge))
  }

  #touchedMirrors(changes: readonly Change[]): TouchedMirror[] {
    if (this.#options.mirrors.length === 0) return []
    const truncated = new Set(changes.filter(({ kind }) => kind === 'truncate').map(({ relation }) => relation))
    return [...new Set(changes.map(({ relation }) => relation))].flatMap(relation =>
      (this.#stagings.get(relation) ?? []).flatMap(({ table, rows, flows }) => {
        const mirror = this.#options.mirrors.find(candidate => flows.some(({ flow }) => flow === candidate.flow))
        if (mirror === undefined) return []
        const key = mirror.flow.key.map(({ from }) => from)
        return [{ mirror, table, key, rows, truncated: truncated.has(relation) }]
      }),
    )
  }

  async #stage(staging: Staging, data: Buffer, collapsed: Collapsed, plan: StatementPlan): Promise<void> {
    const { truncated, rows, moved, inTurn } = collapsed
    if (truncated) for (const { flow, statements } of staging.flows) plan.remove(flow, statements.clear)
    if (rows.length === 0) return staging.clear(this.#client)
    const { toStage, groups } = groupUnknown(staging, rows, this.expected.has(showTable(staging.relation.table)))
    await staging.fill(this.#client, data, moved.length === 0 ? toStage : [...toStage, ...staging.moving(moved)])
    if (moved.length > 0) this.#move(staging, plan, inTurn)
    for (const group of groups) await this.#complete(staging, group, plan)
    for (const { flow, computed, statements } of staging.flows) {
      await computed?.fill(this.#client)
      if (statements.doubled !== null) await assertNoneDoubled(this.#client, flow, statements.doubled)
    }

    const operations = new Set([...toStage.map(row => row.operation), ...groups.map(group => group.operation)])
    const inserts = operations.has(OPERATION.INSERT) || operations.has(OPERATION.REPLACE)
    const removes = operations.has(OPERATION.DELETE) || operations.has(OPERATION.REPLACE)
    const updates = operations.has(OPERATION.UPDATE)
    for (const { flow, statements } of staging.flows) {
      const mayLeave = flow.where !== null || flow.compute !== undefined || flow.each !== undefined
      if (removes || (updates && mayLeave)) plan.remove(flow, statements.remove)
      if (inserts) plan.write(flow, statements.insert)
      if (updates) plan.write(flow, statements.update)
      plan.guard(flow, statements.others)
    }
    if (inserts && staging.flows.some(({ flow }) => isMirror(flow))) this.#replace(staging, plan, operations)
  }

  /** Of a flow whose rows are computed from a mirror of this table, the rows are moved like the mirror's. */
  #move(staging: Staging, plan: StatementPlan, inTurn: boolean): void {
    const { table } = staging
    for (const { flow, target, move } of staging.flows) {
      const moves = inTurn ? moveInTurnStatement(flow, target, table) : move
      if (moves !== null) plan.move(flow, moves)
    }
    for (const { flow, target, isKeyed } of this.#computedFrom(staging)) {
      if (!isKeyed) continue
      const moves = inTurn ? moveInTurnStatement(flow, target, table) : moveStatement(flow, target, table, null)
      if (moves !== null) plan.move(flow, moves)
      else if (inTurn) plan.remove(flow, replacedStatement(flow, target, table, 'moved'))
    }
  }

  /** A row that was deleted, and another inserted under its key, is another in what is computed from the mirror too. */
  #replace(staging: Staging, plan: StatementPlan, operations: ReadonlySet<number>): void {
    for (const { flow, target, isKeyed } of this.#computedFrom(staging)) {
      // By another key than the mirror's, the two are not seen to be of one row.
      const replacing = isKeyed ? [OPERATION.REPLACE] : [OPERATION.INSERT, OPERATION.REPLACE]
      if (!replacing.some(operation => operations.has(operation))) continue
      plan.remove(flow, replacedStatement(flow, target, staging.table, replacing))
    }
  }

  /** Flows with `reads`, whose rows are computed from the mirror of this table and others; and whether what is staged has their key. */
  #computedFrom({ relation, flows }: Staging): (TargetedFlow & { readonly isKeyed: boolean })[] {
    const keyed = new Set(flows.map(({ flow }) => stagedWith(flow)))
    return this.#options.flows
      .filter(({ flow }) => flow.reads.length > 0 && showTable(flow.from) === showTable(relation.table))
      .map(targeted => ({ ...targeted, isKeyed: keyed.has(stagedWith(targeted.flow)) }))
  }

  /** Deals with rows of which columns are unknown: leaves those of the target as they are, or asks the source. */
  async #complete(staging: Staging, group: UnknownGroup, plan: StatementPlan): Promise<void> {
    const isUnchanged = [...group.unknown].every(column => !staging.readBack.has(column))
    const keep =
      isUnchanged &&
      !group.isNew &&
      group.operation === OPERATION.UPDATE &&
      staging.flows.every(staged => canKeep(staged, group.unknown))
    if (!keep) {
      this.#source ??= await openSession(this.#options.source)
      await fetchUnknownValues(this.#client, this.#source, staging, group, this.transactions)
    }
    for (const staged of staging.flows) {
      // Left over is what is gone from the source: its deletion is to come.
      if (staged.computed !== null || staged.flow.each !== undefined) continue
      plan.write(staged.flow, staging.keptStatement(staged, group.placeholder, group.unknown))
    }
  }

  /**
   * Makes the staging tables of tables that are met for the first time, or in a new shape. Flows with `reads` have none:
   * their rows follow from the mirrors.
   * @param beside they were read beside the stream. Mirrors take no part, for they are whole since the first copy, unless
   *   it is their rows that are read anew.
   * @throws FICUS_SOURCE_CHANGED; StreamEnded where a mirror has to be given the new shape first.
   */
  async prepare(changes: readonly Change[], { beside }: { beside?: 'no mirrors' | 'mirrors too' } = {}): Promise<void> {
    await this.#dropOutdated()
    const mirrors = beside === 'no mirrors' ? [] : this.#options.mirrors
    const staged = [...mirrors, ...this.#options.flows.filter(({ flow }) => flow.reads.length === 0)]
    for (const relation of new Set(changes.map(change => change.relation))) {
      if (this.#stagings.has(relation)) continue
      await this.#assertMirrorsFit(relation, mirrors)
      const flows = staged.filter(({ flow }) => showTable(flow.from) === showTable(relation.table))
      const stagings: Staging[] = []
      for (const sameKey of Map.groupBy(flows, ({ flow }) => stagedWith(flow)).values()) {
        this.#stagingCount += 1
        stagings.push(await Staging.create(this.#client, relation, sameKey, `${STAGING_PREFIX}${this.#stagingCount}`))
      }
      this.#stagings.set(relation, stagings)
      this.#replaceLatest(`${beside ?? 'streamed'} ${showTable(relation.table)}`, relation)
    }
  }

  #replaceLatest(of: string, relation: Relation): void {
    const before = this.#latest.get(of)
    if (before !== undefined) this.#outdated.add(before)
    this.#latest.set(of, relation)
  }

  /** What an earlier run of changes was the last to need. In the same transaction: rolled back with it, see `forget`. */
  async #dropOutdated(): Promise<void> {
    if (this.#outdated.size === 0) return
    await this.#drop([...this.#outdated].flatMap(relation => this.stagingsOf(relation)).flatMap(({ tables }) => tables))
    for (const relation of this.#outdated) this.#stagings.delete(relation)
    this.#outdated.clear()
  }

  async #drop(tables: readonly string[]): Promise<void> {
    if (tables.length > 0) await this.#client.query(`DROP TABLE ${tables.join(', ')}`)
  }

  async #assertMirrorsFit(relation: Relation, mirrors: readonly Mirror[]): Promise<void> {
    for (const mirror of mirrors.filter(({ flow }) => showTable(flow.from) === showTable(relation.table))) {
      const columns = columnsOfOtherType(mirror, relation)
      if (columns.length === 0) continue
      this.#source ??= await openSession(this.#options.source)
      await assertUnaltered(this.#source, mirror, columns)
    }
  }
}

/** What flows have in common whose rows are staged once; one with `each` stands alone, since it needs whole rows (`canKeep`). */
function stagedWith(flow: Flow): string {
  return [flow.each === undefined ? '' : flow.path, ...flow.key.map(({ from }) => from)].join('\0')
}

/** Changes whose rows are staged, and the statements that merge them. */
export interface Staged {
  readonly changes: readonly Change[]
  readonly statements: StatementPlan
  /** The changes that follow, and can be staged only once these are merged. */
  readonly rest: readonly Change[]
}

/** Asks, once what goes before a flow's rows was written, whether these would overwrite others. */
interface Guard {
  readonly flow: TargetedFlow['flow']
  readonly others: string
}

/**
 * The merge's statements: all that move rows to other keys, parents first; then all that remove rows, children first; then all
 * that write them, parents first.
 */
class StatementPlan {
  readonly #moves = new Map<unknown, string>()
  readonly #removes = new Map<unknown, string[]>()
  readonly #writes = new Map<unknown, string[]>()
  readonly #guards = new Map<unknown, Guard>()

  move(flow: TargetedFlow['flow'], sql: string): void {
    this.#moves.set(flow, sql)
  }

  remove(flow: TargetedFlow['flow'], sql: string): void {
    this.#removes.set(flow, [...(this.#removes.get(flow) ?? []), sql])
  }

  write(flow: TargetedFlow['flow'], sql: string): void {
    this.#writes.set(flow, [...(this.#writes.get(flow) ?? []), sql])
  }

  guard(flow: TargetedFlow['flow'], others: string | null): void {
    if (others !== null) this.#guards.set(flow, { flow, others })
  }

  inOrder(flows: readonly TargetedFlow[]): (string | Guard)[] {
    const moves = flows.flatMap(({ flow }) => this.#moves.get(flow) ?? [])
    const removes = flows.toReversed().flatMap(({ flow }) => this.#removes.get(flow) ?? [])
    const writes = flows.flatMap(({ flow }) => [this.#guards.get(flow) ?? [], this.#writes.get(flow) ?? []].flat())
    return [...moves, ...removes, ...writes]
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
    // Nothing is left at the key of a row that is replaced.
    const operation = upserts && row.operation === OPERATION.INSERT ? OPERATION.UPDATE : row.operation
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
