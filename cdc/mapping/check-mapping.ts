import { messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { copySelect } from '../copy/copy-plan.ts'
import { judgeFailure } from '../database/failure.ts'
import { checkTables } from './check-tables.ts'
import {
  bracketed,
  type Direction,
  type Flow,
  flowsOf,
  type MappedColumn,
  mappedExpressions,
  type Sync,
} from './flow.ts'
import { columnOf, mergeStatements, OPERATION_COLUMN } from './merge-sql.ts'
import { type MappingProblem, mappingInvalid } from './parse-sync.ts'
import { type ColumnShape, readTableShape, type TableShape } from './table-shape.ts'

/** The SQL that one mapping becomes. */
export interface MappingSql {
  /** `tables[2]` */
  readonly path: string
  readonly from: string
  readonly to: string
  /** Runs on the source: the first copy. */
  readonly copy: string
  /** Run on the target, for each batch. */
  readonly remove: string
  readonly insert: string
  readonly update: string
}

export interface MappingReport {
  readonly problems: readonly MappingProblem[]
  /** Of the mappings whose tables exist. */
  readonly sql: readonly MappingSql[]
}

const STAGING = 'ficus_staging'

/**
 * Checks a mapping against both live schemas, and has both servers parse every expression and statement it becomes.
 * Writes nothing but a temporary table.
 *
 * @param source a session with the database that `direction` reads from.
 * @param target a session with the one it writes to.
 */
export async function checkMapping(
  source: Client,
  target: Client,
  sync: Sync,
  direction: Direction,
): Promise<MappingReport> {
  const problems: MappingProblem[] = []
  const sql: MappingSql[] = []
  for (const flow of flowsOf(sync, direction)) {
    const from = await readTableShape(source, flow.from)
    const to = await readTableShape(target, flow.to)
    const found = checkTables(flow, from, to, direction)
    problems.push(...found)
    if (from === null || to === null || found.length > 0) continue
    const ofExpressions = await new ExpressionCheck(source, target, flow, from, to, direction).run()
    problems.push(...ofExpressions.problems)
    sql.push(ofExpressions.sql)
  }
  return { problems, sql }
}

/** @throws FICUS_MAPPING_INVALID with all problems. */
export async function assertMappingFits(
  source: Client,
  target: Client,
  sync: Sync,
  direction: Direction,
): Promise<void> {
  const { problems } = await checkMapping(source, target, sync, direction)
  if (problems.length > 0) throw mappingInvalid('the mapping', problems)
}

class ExpressionCheck {
  readonly #source: Client
  readonly #target: Client
  readonly #flow: Flow
  readonly #from: TableShape
  readonly #to: TableShape
  readonly #direction: Direction
  readonly #problems: MappingProblem[] = []

  constructor(source: Client, target: Client, flow: Flow, from: TableShape, to: TableShape, direction: Direction) {
    this.#source = source
    this.#target = target
    this.#flow = flow
    this.#from = from
    this.#to = to
    this.#direction = direction
  }

  async run(): Promise<{ problems: readonly MappingProblem[]; sql: MappingSql }> {
    const flow = this.#flow
    const columns = this.#from.columns.map(column => column.name)
    const merge = mergeStatements(flow, this.#to, `pg_temp.${quoteIdentifier(STAGING)}`, columns)
    const copy = copySelect(flow, this.#to)
    await this.#createStaging()
    try {
      await this.#checkWhere()
      for (const mapped of mappedExpressions(flow)) await this.#checkExpression(mapped)
      if (this.#problems.length === 0) {
        await this.#checkStatement(this.#source, copy)
        for (const statement of [merge.remove, merge.insert, merge.update])
          await this.#checkStatement(this.#target, statement)
      }
    } finally {
      await this.#target.query(`DROP TABLE IF EXISTS pg_temp.${quoteIdentifier(STAGING)}`)
    }
    const { remove, insert, update } = merge
    const names = { path: flow.path, from: showTable(flow.from), to: showTable(flow.to) }
    return { problems: this.#problems, sql: { ...names, copy, remove, insert, update } }
  }

  async #createStaging(): Promise<void> {
    const columns = this.#from.columns.map(column => `${quoteIdentifier(column.name)} ${column.wireType}`)
    await this.#target.query(
      `CREATE TEMPORARY TABLE ${quoteIdentifier(STAGING)} (${[`${OPERATION_COLUMN} int2`, ...columns].join(', ')})`,
    )
  }

  async #checkWhere(): Promise<void> {
    const { where, path } = this.#flow
    if (where === null) return
    for (const { client, rows, side } of this.#sides()) {
      const failure = await failureOf(client, `SELECT FROM ${rows} WHERE ${bracketed(where)} IS TRUE LIMIT 0`)
      if (failure !== null) {
        this.#tell(
          `${path}.where`,
          `fails on ${side}: ${failure.message}`,
          'Write a condition over columns of the source table.',
        )
        return
      }
    }
  }

  async #checkExpression(mapped: MappedColumn): Promise<void> {
    const path = `${this.#flow.path}.${this.#direction}.${mapped.to}`
    for (const { client, rows, side } of this.#sides()) {
      const failure = await failureOf(client, `SELECT ${bracketed(mapped.expression)} FROM ${rows} LIMIT 0`)
      if (failure !== null) {
        const remedy = `Use columns of ${showTable(this.#flow.from)} and functions that both databases have.`
        this.#tell(path, `fails on ${side}: ${failure.message}`, remedyOf(failure, remedy))
        return
      }
    }
    await this.#checkType(mapped, columnOf(this.#to, mapped.to), path)
  }

  /** The value must fit its column without a cast of ours that would hide a mistake; types of the user's own take text. */
  async #checkType(mapped: MappedColumn, column: ColumnShape, path: string): Promise<void> {
    const value =
      column.type === column.wireType
        ? `${bracketed(mapped.expression)}`
        : `${bracketed(mapped.expression)}::${column.type}`
    const failure = await failureOf(
      this.#target,
      `EXPLAIN INSERT INTO ${quoteTable(this.#flow.to)} (${quoteIdentifier(mapped.to)})${column.identityAlways ? ' OVERRIDING SYSTEM VALUE' : ''} ` +
        `SELECT ${value} FROM ${this.#stagedRows()}`,
    )
    if (failure === null) return
    this.#tell(path, `does not fit ${column.fullType}: ${failure.message}`, `Cast it: (…)::${column.type}.`)
  }

  async #checkStatement(client: Client, statement: string): Promise<void> {
    const failure = await failureOf(client, `EXPLAIN ${statement}`)
    if (failure === null) return
    const remedy = 'Correct the mapping; each expression works alone, together they do not.'
    this.#tell(this.#flow.path, failure.message, remedyOf(failure, remedy))
  }

  #sides(): { client: Client; rows: string; side: string }[] {
    const source = `${quoteTable(this.#flow.from)} AS ${quoteIdentifier(this.#flow.from.table)}`
    return [
      { client: this.#source, rows: source, side: 'the source' },
      { client: this.#target, rows: this.#stagedRows(), side: 'the target' },
    ]
  }

  #stagedRows(): string {
    const columns = this.#from.columns.map(column => quoteIdentifier(column.name)).join(', ')
    return `(SELECT ${columns} FROM pg_temp.${quoteIdentifier(STAGING)}) AS ${quoteIdentifier(this.#flow.from.table)}`
  }

  #tell(path: string, problem: string, remedy: string): void {
    this.#problems.push({ path, problem, remedy })
  }
}

/** @param remedy what to do where the user of sync lacks no right. */
function remedyOf(failure: Error, remedy: string): string {
  return systemCodeOf(failure) === '42501' ? 'GRANT what the message names to the user of sync.' : remedy
}

/** What the server says against a statement, or null. Nothing is executed: the statement is limited or explained. */
async function failureOf(client: Client, sql: string): Promise<Error | null> {
  try {
    const { fields } = await client.query(sql)
    return fields.length > 1 ? new Error('it is not one expression') : null
  } catch (error) {
    if (judgeFailure(error) === 'passing') throw error
    return error instanceof Error ? error : new Error(messageOf(error))
  }
}
