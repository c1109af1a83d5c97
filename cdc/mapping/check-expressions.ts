import { messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { copySelect } from '../copy/copy-plan.ts'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { affectedByRead, derivedStatements } from '../mirror/derived-sql.ts'
import { readsClause } from '../mirror/reads-sql.ts'
import { tryFunction } from './check-function.ts'
import { columnPath, computedKeyPath } from './check-tables.ts'
import { asItIs, isComputed } from './computed-rows.ts'
import {
  bracketed,
  type Direction,
  type Flow,
  keyExpressions,
  type MappedColumn,
  mappedExpressions,
  withEach,
} from './flow.ts'
import { columnOf, mergeStatements } from './merge-sql.ts'
import type { MappingProblem } from './parse-sync.ts'
import { findSilentLosses, remedyOfLoss } from './silent-loss.ts'
import { type StandIns, standIns } from './stand-ins.ts'
import { findUnsteady, type Unsteady } from './steadiness.ts'
import type { ColumnShape, TableShape } from './table-shape.ts'
import { ownRows } from './within.ts'

/** The SQL that one mapping becomes. */
export interface MappingSql {
  /** `tables[2]` */
  readonly path: string
  readonly from: string
  readonly to: string
  /** Runs in Node on what `copy` reads, and on each changed row; null where the mapping is SQL. */
  readonly function: string | null
  /** Runs on the source: the first copy. */
  readonly copy: string
  /** Run on the target, for each batch. */
  readonly remove: string
  /** Null where the update inserts too: rows that are computed from mirrors. */
  readonly insert: string | null
  readonly update: string
  /** Finds what is refused, before the others: two rows of one key; null where a row becomes one row. */
  readonly doubled: string | null
}

/** Has both servers parse all that a mapping becomes. Writes nothing but temporary tables. */
export class ExpressionCheck {
  readonly #source: Client
  readonly #target: Client
  readonly #flow: Flow
  readonly #from: TableShape
  readonly #to: TableShape
  readonly #direction: Direction
  readonly #comesBack: boolean
  readonly #stand: StandIns
  readonly #problems: MappingProblem[] = []

  /** @param comesBack whether the mapping, which leads forward, has a `reverse` too. */
  constructor(source: Client, target: Client, shaped: ShapedFlow, direction: Direction, comesBack: boolean) {
    this.#source = source
    this.#target = target
    this.#flow = shaped.flow
    this.#from = shaped.source
    this.#to = shaped.target
    this.#direction = direction
    this.#comesBack = comesBack
    this.#stand = standIns(shaped)
  }

  /**
   * All that both servers say against the expressions: one that is refused keeps none of the others from being tried.
   * @param isWhole whether nothing else is wrong, so that the statements and the function can be tried too.
   */
  async problems(isWhole: boolean): Promise<readonly MappingProblem[]> {
    for (const { create } of this.#stand.tables) await this.#target.query(create)
    try {
      await this.#checkWithin()
      if (await this.#checkMatches()) await this.#checkExpressions()
      if (isWhole && this.#problems.length === 0) await this.#checkStatements()
      if (isWhole && this.#problems.length === 0) await this.#checkFunction()
    } finally {
      for (const { table } of this.#stand.tables) await this.#target.query(`DROP TABLE IF EXISTS ${table}`)
    }
    return this.#problems
  }

  sql(): MappingSql {
    const flow = this.#flow
    const computed = flow.compute === undefined ? null : String(flow.compute)
    const names = { path: flow.path, from: showTable(flow.from), to: showTable(flow.to) }
    return { ...names, function: computed, copy: this.#copy(), ...this.#statements() }
  }

  #copy(): string {
    return copySelect(this.#flow, this.#from, this.#to)
  }

  #statements(): Pick<MappingSql, 'remove' | 'insert' | 'update' | 'doubled'> {
    const { from, reads, affected, columns } = this.#stand
    const { computed } = this.#stand
    if (computed !== null) {
      const names = this.#flow.columns.map(({ to }) => to)
      return mergeStatements(asItIs(this.#flow), this.#to, computed, names)
    }
    if (this.#flow.reads.length === 0) return mergeStatements(this.#flow, this.#to, from, columns)
    const { remove, merge } = derivedStatements(this.#flow, this.#to, { from, reads, affected })
    return { remove, insert: null, update: merge, doubled: null }
  }

  /** What is written by SQL, and where that stands; keys that are taken over as they are have no expression. */
  #expressions(): { mapped: MappedColumn; path: string }[] {
    const flow = this.#flow
    const keys = keyExpressions(flow).flatMap((mapped, index) => {
      const column = flow.key[index]
      return column?.computed ? [{ mapped, path: computedKeyPath(flow, column, this.#direction) }] : []
    })
    const ofEach = flow.each?.key ?? []
    const values = isComputed(flow) ? [] : mappedExpressions(flow)
    return [
      ...keys,
      ...ofEach.map(mapped => ({ mapped, path: `${flow.path}.each.key.${mapped.to}` })),
      ...values.map(mapped => ({ mapped, path: `${flow.path}.${this.#direction}.${mapped.to}` })),
    ]
  }

  async #checkExpressions(): Promise<void> {
    const hasFilter = await this.#checkWhere()
    // All others see the rows that `each` makes.
    if (!(await this.#checkEach())) return
    const isFiltered = hasFilter && (await this.#checkWhereBesideEach())
    const expressions = this.#expressions()
    const parsed: typeof expressions = []
    const refused = new Set<string>()
    for (const each of expressions) {
      const found = await this.#checkExpression(each.mapped, each.path)
      if (found !== 'refused') parsed.push(each)
      if (found !== 'fits') refused.add(each.mapped.to)
    }
    await this.#checkSteadiness(parsed, isFiltered)
    await this.#checkLosses(refused)
  }

  async #checkStatements(): Promise<void> {
    const { remove, insert, update, doubled } = this.#statements()
    await this.#checkStatement(this.#source, this.#copy())
    for (const statement of [remove, insert, update, doubled])
      if (statement !== null) await this.#checkStatement(this.#target, statement)
  }

  /** The same row has to give the same value in copy, merge and diff, today and tomorrow. */
  async #checkSteadiness(
    expressions: readonly { mapped: MappedColumn; path: string }[],
    isFiltered: boolean,
  ): Promise<void> {
    const { where, each, path } = this.#flow
    const parts = [
      ...(each === undefined ? [] : [{ sql: null, path: `${path}.each.rows` }]),
      ...(where === null || !isFiltered ? [] : [{ sql: where, path: `${path}.where` }]),
      ...expressions.map(({ mapped, path: at }) => ({ sql: mapped.expression, path: at })),
    ]
    const from = withEach(this.#flow, this.#stagedRows())
    // A value of any type will do: a view has no column that is a record.
    const select = (sqls: readonly string[]) =>
      `${this.#stand.clause}SELECT ${sqls.map((sql, index) => `${bracketed(sql)} IS NULL AS c${index}`).join(', ')} FROM ${from}`
    const all = await findUnsteady(this.#target, select(parts.flatMap(({ sql }) => sql ?? [])))
    if (isSteady(all)) return
    for (const { sql, path: at } of parts) {
      const found = await findUnsteady(this.#target, select(sql === null ? [] : [sql]))
      if (isSteady(found)) continue
      const [name = ''] = found.functions
      if (found.functions.length > 0)
        this.#tell(at, `calls ${name}, whose answer does not follow from the row alone`, STEADY_FUNCTION)
      else this.#tell(at, `looks into ${found.tables.join(', ')}, which changes without its row`, STEADY_TABLE)
      // Each part sees the rows that `each` makes.
      if (sql === null) return
    }
  }

  async #checkFunction(): Promise<void> {
    const { computed } = this.#stand
    if (!isComputed(this.#flow) || computed === null) return
    const tables = { from: this.#from, to: this.#to, computed }
    const failure = await tryFunction(this.#source, this.#target, this.#flow, tables, !this.#comesBack)
    if (failure === null) return
    const remedy = this.#comesBack
      ? 'Mend the function; which rows are left out say in `where`, so that the way back knows it too.'
      : 'Mend the function; where a row is to be left out, return null.'
    this.#tell(`${this.#flow.path}.${this.#direction}`, failure, remedy)
  }

  /** @returns whether rows can be matched: else no expression can look into the tables read. */
  async #checkMatches(): Promise<boolean> {
    const before = this.#problems.length
    for (const [index, { table }] of this.#flow.reads.entries()) {
      for (const statement of affectedByRead(this.#flow, this.#stand, index, null)) {
        const failure = await failureOf(this.#target, `EXPLAIN ${statement}`)
        if (failure === null) continue
        const path = `${this.#flow.path}.reads[${JSON.stringify(showTable(table))}]`
        this.#tell(path, `rows cannot be matched: ${failure.message}`, 'Match columns of the same type.')
      }
    }
    return this.#problems.length === before
  }

  async #checkWithin(): Promise<void> {
    const { within, back, path } = this.#flow
    if (within === undefined) return
    const { reads, table, where } = ownRows(this.#flow)
    const failure = await failureOf(this.#target, `${reads}SELECT FROM ${table} WHERE ${where} LIMIT 0`)
    if (failure === null) return
    const remedy = `Write a condition over columns of ${showTable(this.#flow.to)}.`
    this.#tell(
      `${path}.${back ? 'within' : 'where'}`,
      `fails on the target: ${failure.message}`,
      remedyOf(failure, remedy),
    )
  }

  async #checkWhere(): Promise<boolean> {
    const { where, path } = this.#flow
    if (where === null) return true
    const remedy = 'Write a condition over columns of the source table.'
    return this.#bothTake(
      `${path}.where`,
      rows => `SELECT FROM ${rows} WHERE ${bracketed(where)} IS TRUE`,
      'fails',
      remedy,
    )
  }

  /** It was tried on the source row alone, which is all that it is about; beside the made row a name may be of both. */
  async #checkWhereBesideEach(): Promise<boolean> {
    const { where, path, each, from } = this.#flow
    if (where === null || each === undefined) return true
    const remedy = `Name its columns with their table: ${quoteIdentifier(from.table)}.…`
    const beside = (rows: string) => `SELECT FROM ${withEach(this.#flow, rows)} WHERE ${bracketed(where)} IS TRUE`
    return this.#bothTake(`${path}.where`, beside, 'fails beside each.rows', remedy)
  }

  async #checkEach(): Promise<boolean> {
    const { each, path } = this.#flow
    if (each === undefined) return true
    const remedy = 'Write what stands behind FROM, over columns of the source table, with an alias: unnest(…) AS ….'
    return this.#bothTake(`${path}.each.rows`, rows => `SELECT FROM ${withEach(this.#flow, rows)}`, 'fails', remedy)
  }

  async #checkExpression(mapped: MappedColumn, path: string): Promise<'refused' | 'parsed' | 'fits'> {
    const remedy = `Use columns of ${showTable(this.#flow.from)} and functions that both databases have.`
    const select = (rows: string) => `SELECT ${bracketed(mapped.expression)} FROM ${withEach(this.#flow, rows)}`
    if (!(await this.#bothTake(path, select, 'fails', remedy))) return 'refused'
    return (await this.#fits(mapped, columnOf(this.#to, mapped.to), path)) ? 'fits' : 'parsed'
  }

  /** The value must fit its column without a cast of ours that would hide a mistake; types of the user's own take text. */
  async #fits(mapped: MappedColumn, column: ColumnShape, path: string): Promise<boolean> {
    const value =
      column.type === column.wireType
        ? `${bracketed(mapped.expression)}`
        : `${bracketed(mapped.expression)}::${column.type}`
    const failure = await failureOf(
      this.#target,
      `EXPLAIN INSERT INTO ${quoteTable(this.#flow.to)} (${quoteIdentifier(mapped.to)})${column.identityAlways ? ' OVERRIDING SYSTEM VALUE' : ''} ` +
        `${this.#stand.clause}SELECT ${value} FROM ${withEach(this.#flow, this.#stagedRows())}`,
    )
    if (failure !== null)
      this.#tell(path, `does not fit ${column.fullType}: ${failure.message}`, `Cast it: (…)::${column.type}.`)
    return failure === null
  }

  /** On the source, whose columns have their lengths. @param refused target columns of which something was told. */
  async #checkLosses(refused: ReadonlySet<string>): Promise<void> {
    const [source] = this.#sides()
    if (source === undefined) return
    const { client, reads, rows } = source
    const losses = findSilentLosses(client, this.#target, this.#flow, rows, reads, refused)
    const found = await losses.catch((error: unknown) => {
      // Who may not read what is mapped may not read the key either.
      if (refused.size === 0 || judgeFailure(error) === 'passing') throw error
      return []
    })
    for (const loss of found) {
      const { to } = loss.mapped
      const path = columnPath(this.#flow, this.#flow.columns.indexOf(loss.mapped), this.#direction)
      const problem = `is ${loss.from}, and ${showTable(this.#flow.to)}.${to} ${loss.to}: what does not fit would be lost without an error`
      this.#tell(path, problem, remedyOfLoss(loss))
    }
  }

  async #checkStatement(client: Client, statement: string): Promise<void> {
    const failure = await failureOf(client, `EXPLAIN ${statement}`)
    if (failure === null) return
    const remedy = 'Correct the mapping; each expression works alone, together they do not.'
    this.#tell(this.#flow.path, failure.message, remedyOf(failure, remedy))
  }

  /**
   * Has both servers parse a query, and tells what the first says against it.
   * @param select of rows of the flow's own table.
   * @returns whether neither says anything.
   */
  async #bothTake(path: string, select: (rows: string) => string, fails: string, remedy: string): Promise<boolean> {
    for (const { client, reads, rows, side } of this.#sides()) {
      const failure = await failureOf(client, `${reads}${select(rows)} LIMIT 0`)
      if (failure === null) continue
      this.#tell(path, `${fails} on ${side}: ${failure.message}`, remedyOf(failure, remedy))
      return false
    }
    return true
  }

  #sides(): { client: Client; reads: string; rows: string; side: string }[] {
    const source = `${quoteTable(this.#flow.from)} AS ${quoteIdentifier(this.#flow.from.table)}`
    return [
      { client: this.#source, reads: readsClause(this.#flow), rows: source, side: 'the source' },
      { client: this.#target, reads: this.#stand.clause, rows: this.#stagedRows(), side: 'the target' },
    ]
  }

  #stagedRows(): string {
    const columns = this.#stand.columns.map(quoteIdentifier).join(', ')
    return `(SELECT ${columns} FROM ${this.#stand.from}) AS ${quoteIdentifier(this.#flow.from.table)}`
  }

  #tell(path: string, problem: string, remedy: string): void {
    this.#problems.push({ path, problem, remedy })
  }
}

const STEADY_FUNCTION =
  'Have the source table hold the value. If it is a function of your own that always gives the same answer, say so: ' +
  'ALTER FUNCTION … IMMUTABLE (or STABLE, where it depends on settings), in both databases.'
const STEADY_TABLE = 'Name a table of the source under `reads`; one of the target cannot be looked into.'

function isSteady({ functions, tables }: Unsteady): boolean {
  return functions.length === 0 && tables.length === 0
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
