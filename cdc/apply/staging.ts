import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Relation, RelationColumn } from '../change-source/change-source.ts'
import { copyIn } from '../database/copy-in.ts'
import { judgeFailure } from '../database/failure.ts'
import { isComputed } from '../mapping/computed-rows.ts'
import { columnsRead } from '../mapping/expression-columns.ts'
import { type Flow, mappedExpressions } from '../mapping/flow.ts'
import { flowColumns } from '../mapping/flow-columns.ts'
import {
  keptStatement,
  type MergeStatements,
  mappedRows,
  mergeStatements,
  movedFrom,
  movedTo,
  moveStatement,
  OPERATION,
  OPERATION_COLUMN,
} from '../mapping/merge-sql.ts'
import { assertNothingLost } from '../mapping/silent-loss.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { isMirror } from '../mirror/mirror-plan.ts'
import type { MovedRow } from './collapse.ts'
import { ComputedStaging } from './computed-staging.ts'
import { StagingRoom } from './staging-room.ts'
import { binaryRows, type RowToStage, textRows } from './staging-rows.ts'

/** A flow and the table it writes to. */
export interface TargetedFlow {
  readonly flow: Flow
  readonly target: TableShape
  /** The service's tables whose rows follow from it, where that is not the one it writes to. */
  readonly feeds?: readonly TableName[]
}

/** One flow's part in a staging table. */
export interface StagedFlow extends TargetedFlow {
  readonly feeds: readonly TableName[]
  readonly statements: MergeStatements
  /** The statement that moves rows to their new keys; null where it cannot be done. */
  readonly move: string | null
  /** Where the flow's rows are merged from if a function makes them. */
  readonly computed: ComputedStaging | null
  /** What each mapped expression reads of the source row, in the order of `mappedExpressions`. */
  readonly reads: readonly ReadonlySet<string>[]
}

/**
 * A temporary table of the source's shape, for the flows that share a source table and a key. It holds the columns that
 * the mapping reads; those of the last time stay until it is filled again.
 */
export class Staging {
  readonly relation: Relation
  readonly flows: readonly StagedFlow[]
  /** The temporary table, quoted. */
  readonly table: string
  /** Names of the staged columns. */
  readonly columns: readonly string[]
  /** Columns whose values the engine may leave out though they changed. */
  readonly readBack: ReadonlySet<string>
  /** Where the staged columns stand in the relation. */
  readonly columnIndexes: readonly number[]
  /** Where the key's columns stand in the relation. */
  readonly keyIndexes: readonly number[]
  readonly #room: StagingRoom
  #rows = 0

  private constructor(relation: Relation, flows: readonly TargetedFlow[], name: string) {
    const all = relation.columns.map(column => column.name)
    const read = new Set(flows.flatMap(({ flow }) => [...flowColumns(flow, all)]))
    this.relation = relation
    this.table = `pg_temp.${quoteIdentifier(name)}`
    this.#room = new StagingRoom(this.table)
    this.columns = all.filter(column => read.has(column))
    this.readBack = new Set(relation.columns.flatMap(column => (column.readBack ? [column.name] : [])))
    this.columnIndexes = this.columns.map(column => all.indexOf(column))
    this.keyIndexes = (flows[0]?.flow.key ?? []).map(({ from }) => all.indexOf(from))
    this.flows = flows.map(({ flow, target, feeds = [flow.to] }, index) => {
      const computed = isComputed(flow)
        ? new ComputedStaging(flow, target, `${name}_${index + 1}`, this.table, this.columns)
        : null
      return {
        flow,
        target,
        feeds,
        computed,
        statements: computed?.statements ?? mergeStatements(flow, target, this.table, this.columns),
        move: moveStatement(flow, target, this.table, computed?.changed ?? this.#changed(flow, target)),
        reads: mappedExpressions(flow).map(({ expression }) =>
          computed === null ? columnsRead(expression, flow.from.table, all) : new Set(all),
        ),
      }
    })
  }

  /**
   * Makes the temporary table and has the server check every statement that will use it.
   * @throws FICUS_SOURCE_CHANGED where the mapping does not fit the table's shape at this point of the stream.
   */
  static async create(
    client: Client,
    relation: Relation,
    flows: readonly TargetedFlow[],
    name: string,
  ): Promise<Staging> {
    const staging = new Staging(relation, flows, name)
    const missing = (flows[0]?.flow.key ?? []).find(({ from }) =>
      relation.columns.every(column => column.name !== from),
    )
    if (missing !== undefined) throw sourceChanged(relation, `it has no column ${missing.from}, which is the key`)
    const untold = staging.keyIndexes.flatMap(index => relation.columns[index] ?? []).find(({ identity }) => !identity)
    if (untold !== undefined) throw identityLacksKey(relation, untold.name)
    const unreadable = staging.keyIndexes
      .flatMap(index => relation.columns[index] ?? [])
      .find(column => column.readBack)
    if (unreadable !== undefined) throw keyUnreadable(relation, unreadable)
    const columns = staging.columnIndexes.map(index => {
      const column = relation.columns[index]
      return `${quoteIdentifier(column?.name ?? '')} ${column?.type}`
    })
    try {
      await client.query(
        `CREATE TEMPORARY TABLE ${quoteIdentifier(name)} (${[`${OPERATION_COLUMN} int2`, ...columns].join(', ')})`,
      )
      for (const { statements, computed, move } of staging.flows) {
        await computed?.create(client)
        for (const statement of [
          move,
          statements.remove,
          statements.insert,
          statements.update,
          statements.doubled,
          statements.others,
        ])
          if (statement !== null) await client.query(`EXPLAIN ${statement}`)
      }
      await staging.#assertNothingLost(client)
    } catch (error) {
      if (judgeFailure(error) !== 'data') throw error
      throw sourceChanged(relation, `the mapping does not fit it any more: ${messageOf(error)}`, error)
    }
    return staging
  }

  async #assertNothingLost(client: Client): Promise<void> {
    const columns = this.columnIndexes.map(index => describedColumn(this.relation.columns[index])).join(', ')
    for (const { flow } of this.flows) {
      // A mirror follows its table’s types: rows of before are cast as the table’s own were.
      if (isMirror(flow)) continue
      const rows = `(SELECT ${columns} FROM ${this.table}) AS ${quoteIdentifier(flow.from.table)}`
      await assertNothingLost(client, flow, rows)
    }
  }

  /** Of this table and of those for rows that functions make. */
  get rooms(): readonly StagingRoom[] {
    return [this.#room, ...this.flows.flatMap(({ computed }) => computed?.room ?? [])]
  }

  /** The mapped rows that changed; null where there are several of each. */
  #changed(flow: Flow, target: TableShape): string | null {
    return flow.each === undefined ? mappedRows(flow, target, this.table, this.columns, [OPERATION.UPDATE]) : null
  }

  /** Whether rows keep all that their flows do not write when their key changes. */
  get moves(): boolean {
    return this.flows.every(({ move }) => move !== null)
  }

  /** Those of which each one's key changed, to be staged beside the others: two rows each, with the key alone. */
  moving(moved: readonly MovedRow[]): RowToStage[] {
    const keyAlone = (starts: readonly number[]) =>
      starts.map((start, column) => (this.keyIndexes.includes(column) ? start : -1))
    return moved.flatMap(({ from, to }, pair) => [
      { operation: movedFrom(pair), starts: keyAlone(from) },
      { operation: movedTo(pair), starts: keyAlone(to) },
    ])
  }

  /** How many are staged. */
  get rows(): number {
    return this.#rows
  }

  /** Quoted. */
  get tables(): readonly string[] {
    return [this.table, ...this.flows.flatMap(({ computed }) => computed?.table ?? [])]
  }

  /** So many bytes of values were put into rows that are there. */
  grow(bytes: number): void {
    this.#room.grow(bytes)
  }

  /** Where there is nothing to fill it with: what was there goes too. */
  async clear(client: Client): Promise<void> {
    this.#rows = 0
    await client.query(this.#room.emptying(0, 0))
  }

  /** Writes rows into the table, in place of those that were there. */
  async fill(client: Client, data: Buffer, rows: readonly RowToStage[]): Promise<void> {
    this.#rows = rows.length
    const encode = this.relation.format === 'binary' ? binaryRows : textRows
    const columns = [OPERATION_COLUMN, ...this.columns.map(quoteIdentifier)].join(', ')
    await copyIn(
      client,
      `${this.#room.emptying(rows.length, data.length)}; COPY ${this.table} (${columns}) FROM STDIN (FORMAT ${this.relation.format})`,
      encode(data, rows, this.columnIndexes),
    )
  }

  /** The statement that applies rows of `operation`, whose `unknown` columns were not sent. */
  keptStatement({ flow, target, reads }: StagedFlow, operation: number, unknown: ReadonlySet<string>): string {
    const writable = mappedExpressions(flow).filter((_, index) => readsNone(reads[index], unknown))
    return keptStatement(flow, target, this.table, this.columns, operation, writable)
  }
}

/**
 * Whether `flow` can be applied to a row without knowing its `unknown` columns: each expression reads only them or none. Of
 * the rows that one with `each` makes some may be new, and have nothing to keep.
 */
export function canKeep({ flow, reads }: StagedFlow, unknown: ReadonlySet<string>): boolean {
  return (
    flow.where === null &&
    flow.each === undefined &&
    reads.every(read => readsNone(read, unknown) || readsOnly(read, unknown))
  )
}

/** A staged column with the limits that its values have, which the staging table knows nothing of. */
function describedColumn(column: RelationColumn | undefined): string {
  const name = quoteIdentifier(column?.name ?? '')
  return column?.preciseType === undefined ? name : `${name}::${column.preciseType} AS ${name}`
}

function readsNone(read: ReadonlySet<string> | undefined, unknown: ReadonlySet<string>): boolean {
  return read === undefined || [...read].every(column => !unknown.has(column))
}

function readsOnly(read: ReadonlySet<string>, unknown: ReadonlySet<string>): boolean {
  return [...read].every(column => unknown.has(column))
}

function keyUnreadable({ table }: Relation, { name, type }: RelationColumn): FicusError {
  return new FicusError(
    'FICUS_MAPPING_INVALID',
    `the engine debezium cannot carry ${showTable(table)}: the mapping’s key has ${name}, and Debezium does not pass on ${type} without loss`,
    { remedy: `Set cdc.engine to 'postgres', or map ${showTable(table)} by another key.` },
  )
}

/** A deletion would not tell which row it is about. */
function identityLacksKey(relation: Relation, column: string): FicusError {
  const table = showTable(relation.table)
  const identity = relation.columns.filter(({ identity }) => identity).map(({ name }) => name)
  return new FicusError(
    'FICUS_SOURCE_CHANGED',
    `${table} has changed and its replica identity is ${identity.join(', ') || 'nothing'}: it does not tell ${column}, which is the key`,
    {
      remedy: `Its changes since then cannot be applied. Give it back the primary key or the replica identity that it had, then roll the capability back to legacy and start again, which copies anew.`,
    },
  )
}

function sourceChanged(relation: Relation, why: string, cause?: unknown): FicusError {
  return new FicusError('FICUS_SOURCE_CHANGED', `${showTable(relation.table)} has changed and ${why}`, { cause })
}
