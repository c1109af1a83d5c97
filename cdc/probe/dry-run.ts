import type { Triggers } from '@ficus/core/config/schema'
import { systemCodeOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { openWriterSession } from '../apply/writer-session.ts'
import { type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { type Endpoint, endSession } from '../database/session.ts'
import { asItIs, isComputed } from '../mapping/computed-rows.ts'
import { flowsOf, type Sync } from '../mapping/flow.ts'
import { flowColumns } from '../mapping/flow-columns.ts'
import {
  columnOf,
  keyMatch,
  type MergeStatements,
  mappedRows,
  mergeStatements,
  OPERATION,
  OPERATION_COLUMN,
  sourceSideType,
} from '../mapping/merge-sql.ts'
import { inDependencyOrder } from '../mapping/table-order.ts'
import { note, type ProbeFinding, refusal, undecided, untried } from './finding.ts'
import { mappedSample, type Row } from './mapped-sample.ts'
import { asText, sampleKeys, textArrays, textRows } from './sample.ts'

/** SQLSTATEs of PostgreSQL's: what lock_timeout and statement_timeout end with. */
const LOCK_NOT_AVAILABLE = '55P03'
const QUERY_CANCELED = '57014'

const STAGING = 'pg_temp.ficus_probe'
/** Whoever writes to a row that the probe has locked waits for it: so it gives up soon, and lets go of what it has. */
const LIMITS = `SET LOCAL lock_timeout = '300ms'; SET LOCAL statement_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'`
/** Locks are tried for so often before that is the result. */
const ATTEMPTS = 3

/**
 * Writes rows of the service to the monolith as reverse sync would, and takes all of it back: updates, a row that is
 * deleted and inserted again, and where the key allows it one that is new. It shows missing rights, triggers, foreign keys and
 * values that do not fit. Nothing of it is committed, so nothing of it is ever in the stream; sequences that a trigger moves
 * stay moved. The monolith is in use: each attempt is a short transaction of its own, which waits for nobody for long.
 *
 * @param triggers whether the monolith's triggers act, as the config says.
 */
export async function dryRun(
  monolith: Endpoint,
  service: Client,
  sync: Sync,
  triggers: Triggers,
  sampleSize: number,
): Promise<{ readonly rows: number; readonly findings: readonly ProbeFinding[] }> {
  const { client, triggersSilent } = await openWriterSession(monolith, null, triggers)
  try {
    const shaped = await shapeFlows(service, client, flowsOf(sync, 'reverse'))
    const flows = await inDependencyOrder(client, shaped, ({ flow }) => flow.to)
    const findings: ProbeFinding[] = []
    let rows = 0
    for (const flow of flows) {
      if (isComputed(flow.flow)) {
        findings.push(untried('writes', showTable(flow.flow.to)))
        continue
      }
      const run = await TableRun.open(client, service, flow, triggersSilent, sampleSize)
      rows += run.rows
      findings.push(...(await run.findings()))
    }
    return { rows, findings }
  } finally {
    await endSession(client)
  }
}

/** The dry run of one table. */
class TableRun {
  readonly #client: Client
  readonly #shaped: ShapedFlow
  readonly #columns: readonly string[]
  readonly #sample: readonly Row[]
  readonly #statements: MergeStatements
  readonly #triggersSilent: boolean

  private constructor(
    client: Client,
    shaped: ShapedFlow,
    columns: readonly string[],
    sample: readonly Row[],
    triggersSilent: boolean,
  ) {
    this.#client = client
    this.#shaped = shaped
    this.#columns = columns
    this.#sample = sample
    this.#triggersSilent = triggersSilent
    this.#statements = mergeStatements(shaped.flow, shaped.target, STAGING, columns)
  }

  static async open(
    client: Client,
    service: Client,
    shaped: ShapedFlow,
    triggersSilent: boolean,
    sampleSize: number,
  ): Promise<TableRun> {
    const { flow, source } = shaped
    if (flow.each !== undefined || flow.reads.length > 0) {
      const sample = await mappedSample(service, shaped, sampleSize)
      return new TableRun(
        client,
        mappedBefore(shaped),
        flow.columns.map(({ to }) => to),
        sample,
        triggersSilent,
      )
    }
    const all = source.columns.map(column => column.name)
    const read = flowColumns(flow, all)
    const columns = all.filter(name => read.has(name))
    const key = flow.key.map(({ from }) => from)
    const keys = sampleKeys(flow.from, key, 'true', sampleSize, source.estimatedRows)
    const from = `${quoteTable(flow.from)} WHERE (${key.map(quoteIdentifier).join(', ')}) IN (${keys})`
    const { rows } = await service.query<Record<string, string | null>>(asText(columns, from))
    return new TableRun(client, shaped, columns, rows, triggersSilent)
  }

  get rows(): number {
    return this.#sample.length
  }

  async findings(): Promise<ProbeFinding[]> {
    const table = showTable(this.#shaped.flow.to)
    const [first] = this.#sample
    if (first === undefined) {
      const remedy = 'Probe again once there are rows.'
      return [note('writes', table, `${showTable(this.#shaped.flow.from)} holds no row to try`, remedy)]
    }
    await this.#createStaging()
    const { remove, insert, update } = this.#statements
    const touch = this.#touch()
    const findings = [
      await this.#try('an update', this.#sample, OPERATION.UPDATE, touch === null ? [update] : [update, touch]),
      await this.#try('a row that is deleted and inserted again', [first], OPERATION.REPLACE, [remove, insert]),
    ]
    const fresh = await this.#freshRow(first)
    if (fresh !== null) findings.push(await this.#try('a new row', [fresh], OPERATION.INSERT, [insert]))
    await this.#client.query(`DROP TABLE ${STAGING}`)
    return findings.flatMap(finding => finding ?? [])
  }

  async #createStaging(): Promise<void> {
    const { source } = this.#shaped
    const columns = source.columns
      .filter(({ name }) => this.#columns.includes(name))
      .map(({ name, wireType }) => `${quoteIdentifier(name)} ${wireType}`)
    await this.#client.query(
      `CREATE TEMPORARY TABLE ficus_probe (${[`${OPERATION_COLUMN} int2`, ...columns].join(', ')})`,
    )
  }

  /** Tries statements on staged rows. @returns what the server had against it. */
  async #try(
    what: string,
    rows: readonly Row[],
    operation: number,
    statements: readonly string[],
  ): Promise<ProbeFinding | null> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#runAndTakeBack(rows, operation, statements)
        return null
      } catch (error) {
        if (systemCodeOf(error) !== LOCK_NOT_AVAILABLE || attempt === ATTEMPTS) return this.#judge(what, error)
      }
    }
  }

  async #runAndTakeBack(rows: readonly Row[], operation: number, statements: readonly string[]): Promise<void> {
    const client = this.#client
    await client.query(`BEGIN; ${LIMITS}`)
    try {
      await this.#stage(rows, operation)
      if (!this.#triggersSilent) await client.query('SET CONSTRAINTS ALL DEFERRED')
      for (const statement of statements) await client.query(statement)
      await client.query('SET CONSTRAINTS ALL IMMEDIATE')
    } finally {
      await client.query('ROLLBACK')
    }
  }

  async #stage(rows: readonly Row[], operation: number): Promise<void> {
    const { source } = this.#shaped
    const types = new Map(source.columns.map(column => [column.name, column.wireType]))
    const values = this.#columns.map((name, index) => `c${index}::${types.get(name)}`)
    await this.#client.query(
      `INSERT INTO ${STAGING} SELECT ${[operation, ...values].join(', ')} FROM ${textRows(this.#columns)}`,
      textArrays(this.#columns, rows),
    )
    // Unless the planner knows how few they are, it may read the monolith's whole table, with locks on what it found so far.
    await this.#client.query(`ANALYZE ${STAGING}`)
  }

  /** An update of one row whether it differs or not: the merge leaves equal ones alone, and so meets no trigger. */
  #touch(): string | null {
    const { flow, target } = this.#shaped
    const written = flow.columns.slice(flow.key.length).map(({ to }) => quoteIdentifier(to))
    if (written.length === 0) return null
    const rows = mappedRows(flow, target, STAGING, this.#columns, [OPERATION.UPDATE])
    return (
      `UPDATE ${quoteTable(flow.to)} AS t SET ${written.map(name => `${name} = s.${name}`).join(', ')} ` +
      `FROM (${rows} LIMIT 1) AS s WHERE ${keyMatch(flow)}`
    )
  }

  /** The same row under a key that nobody has, where one number is the key. */
  async #freshRow(row: Row): Promise<Row | null> {
    const { flow, target } = this.#shaped
    const [key, ...more] = flow.key
    const type = target.columns.find(({ name }) => name === key?.to)?.type
    if (key === undefined || more.length > 0 || !/^(smallint|integer|bigint)$/.test(type ?? '')) return null
    const { rows } = await this.#client.query<{ next: string | null }>(
      `SELECT (max(${quoteIdentifier(key.to)}) + 1)::text AS next FROM ${quoteTable(flow.to)}`,
    )
    const index = this.#columns.indexOf(key.from)
    return rows[0]?.next == null ? null : { ...row, [`c${index}`]: rows[0].next }
  }

  #judge(what: string, error: unknown): ProbeFinding | null {
    const code = systemCodeOf(error)
    const where = showTable(this.#shaped.flow.to)
    // The row is another's copy: that it is not unique says nothing.
    if (what === 'a new row' && code === '23505') return null
    if (code === LOCK_NOT_AVAILABLE) {
      const text = `${what} could not be tried: others held its rows or the table for longer than a probe may wait`
      return undecided('writes', where, text, 'Nothing is wrong: probe again, in a quieter moment.')
    }
    if (code === QUERY_CANCELED) {
      const text = `${what} took longer than a probe may hold rows for`
      const remedy =
        'Probe again, in a quieter moment; if it stays so, look at what triggers and foreign keys do there.'
      return undecided('writes', where, text, remedy)
    }
    if (judgeFailure(error) === 'passing') throw error
    const refused = `the monolith refuses ${what}`
    if (code === '23503' && what.includes('deleted')) {
      const remedy =
        'It refuses the same to everybody; delete in the service in the order in which the monolith allows it.'
      return refusal({ kind: 'note', part: 'writes', where }, refused, error, remedy)
    }
    return refusal({ kind: 'problem', part: 'writes', where }, refused, error, remedyOf(code))
  }
}

/** The same for rows that were mapped in the service's database, since the mapping needs more there than one row of its own. */
function mappedBefore(shaped: ShapedFlow): ShapedFlow {
  const { flow, source, target } = shaped
  const columns = flow.columns.map(({ to }) => ({
    ...columnOf(target, to),
    wireType: sourceSideType(columnOf(target, to)),
  }))
  return { flow: { ...asItIs(flow), from: flow.from }, source: { ...source, columns }, target, reads: [] }
}

function remedyOf(code: string | undefined): string {
  if (code === '42501') return 'GRANT what the message names to the user of monolith.database.url.'
  if (code?.startsWith('P0') === true) {
    return `A trigger raised this: mend it, or keep it silent with capabilities.<name>.triggers.reverse: 'silent'.`
  }
  return 'Correct `reverse` in the sync file, or the constraint or trigger that the message names.'
}
