import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { copyIn } from '../database/copy-in.ts'
import {
  asItIs,
  type ComputedFlow,
  type ComputedRow,
  computedColumns,
  computedData,
  functionInput,
  rowComputer,
} from '../mapping/computed-rows.ts'
import { type MergeStatements, mappedRows, mergeStatements, OPERATION, OPERATION_COLUMN } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { StagingRoom } from './staging-room.ts'

/**
 * A second temporary table for a flow with a function, of the target's shape: staged rows are read back as text, the
 * function makes target rows of them, and these are merged from here as they are.
 */
export class ComputedStaging {
  readonly statements: MergeStatements
  /** A query of the rows that changed, as the target is to have them. */
  readonly changed: string
  /** Quoted. */
  readonly table: string
  readonly #flow: ComputedFlow
  readonly #create: string
  readonly #input: string
  readonly #copy: string
  readonly room: StagingRoom
  readonly #compute: (input: readonly (string | null)[]) => ComputedRow

  /**
   * @param name of the table, which is yet to be made.
   * @param staging the table of the source's shape, quoted.
   * @param columns those that it holds.
   */
  constructor(flow: ComputedFlow, target: TableShape, name: string, staging: string, columns: readonly string[]) {
    const names = flow.columns.map(({ to }) => to)
    this.#flow = flow
    this.table = `pg_temp.${quoteIdentifier(name)}`
    this.room = new StagingRoom(this.table)
    this.statements = mergeStatements(asItIs(flow), target, this.table, names)
    this.changed = mappedRows(asItIs(flow), target, this.table, names, [OPERATION.UPDATE])
    this.#create = `CREATE TEMPORARY TABLE ${quoteIdentifier(name)} (${computedColumns(flow, target)})`
    // Of a deleted row the key alone is known, and of those below 0. A row with a placeholder is gone from the source: its
    // deletion is to come.
    const rows = `SELECT * FROM ${staging} WHERE ${OPERATION_COLUMN} >= 0 AND ${OPERATION_COLUMN} < ${OPERATION.KEPT}`
    this.#input = `SELECT ${OPERATION_COLUMN}, ${functionInput(flow, target, columns, `${OPERATION_COLUMN} <> ${OPERATION.DELETE}`)} FROM (${rows}) AS ${quoteIdentifier(flow.from.table)}`
    this.#copy = `COPY ${this.table} (${[OPERATION_COLUMN, ...names.map(quoteIdentifier)].join(', ')}) FROM STDIN (FORMAT text)`
    this.#compute = rowComputer(flow, columns)
  }

  async create(client: Client): Promise<void> {
    await client.query(this.#create)
  }

  /**
   * Fills the table, in place of the rows that were there, with what the function makes of the staged rows.
   * @throws FICUS_CHANGE_REFUSED where it throws.
   */
  async fill(client: Client): Promise<void> {
    const { rows } = await client.query<[number, ...(string | null)[]]>({ text: this.#input, rowMode: 'array' })
    const computed = rows.flatMap(([operation, ...input]) => {
      const row = this.#compute(input)
      const becomes = operationOf(operation, row.values !== null)
      return becomes === null ? [] : [{ operation: becomes, ...row }]
    })
    const emptying = this.room.emptying(computed.length, sum(computed.map(sizeOf)))
    await copyIn(client, `${emptying}; ${this.#copy}`, computedData(computed, this.#flow))
  }
}

/** Of a row's values, bytes, about. */
function sizeOf({ key, values }: ComputedRow): number {
  return sum([...key, ...(values ?? [])].map(value => value?.length ?? 0))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** What is to be done with the target's row, or null for nothing. */
function operationOf(operation: number, hasCounterpart: boolean): number | null {
  if (hasCounterpart) return operation
  return operation === OPERATION.INSERT ? null : OPERATION.DELETE
}
