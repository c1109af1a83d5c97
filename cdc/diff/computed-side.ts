import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { computeNamed, fetchRows } from '../copy/computed-copy.ts'
import { storedColumns } from '../copy/copy-plan.ts'
import { copyIn } from '../database/copy-in.ts'
import { copyText } from '../database/copy-text.ts'
import { type ComputedFlow, functionInput, rowComputer } from '../mapping/computed-rows.ts'
import { assignedType, columnOf, sourceSideType } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { type DiffSide, shownValues, sourceSide } from './diff-sql.ts'

/** What a function makes of the source's rows cannot be hashed in the source: it is looked at in a temporary table. */
export interface ComputedSide {
  readonly flow: ComputedFlow
  /** The source's table itself: its ranges, keys and filter. */
  readonly input: DiffSide
  /** What is read of it: the function's input, then the row's version. */
  readonly select: string
  readonly columns: readonly string[]
  /** The temporary table, quoted, and how it is made. */
  readonly table: string
  readonly create: string
}

/** A session with the target, beside the one that is compared, for the rows that functions make. */
export interface Bench {
  readonly client: Client
  /** Sessions with the source are in a transaction of the comparison's own. */
  readonly inSnapshot: boolean
}

/** The source's side of a mapping by a function: the temporary table as the target would hold its rows. */
export function computedSide(flow: ComputedFlow, source: TableShape, target: TableShape): DiffSide {
  const input = sourceSide(flow, source, target)
  const columns = storedColumns(source)
  const typed = flow.columns.map(({ to }) => ({ to, column: columnOf(target, to) }))
  const values = typed.map(({ to, column }) => ({ column, value: `t.${quoteIdentifier(to)}::${assignedType(column)}` }))
  const list = typed.map(({ to, column }) => `${quoteIdentifier(to)} ${sourceSideType(column)}`)
  return {
    ...shownValues(values, flow.key.length),
    reads: '',
    from: 'pg_temp.ficus_bench AS t',
    where: 'true',
    ctid: 't.ctid',
    version: `t.${VERSION}`,
    keyColumns: values
      .slice(0, flow.key.length)
      .map(({ column, value }) => ({ column: value, type: assignedType(column) })),
    pages: null,
    computed: {
      flow,
      input,
      select: `SELECT ${functionInput(flow, target, columns)}, ${input.version} FROM ${input.from} WHERE ${input.where}`,
      columns,
      table: 'pg_temp.ficus_bench',
      create: `CREATE TEMPORARY TABLE ficus_bench (${[...list, `${VERSION} text`].join(', ')})`,
    },
  }
}

const VERSION = quoteIdentifier('ficus version')

/**
 * Brings rows of the source through the function to the bench, piece by piece.
 * @param condition which rows of the source.
 * @returns each time the table holds the next of them.
 * @throws FICUS_CHANGE_REFUSED where the function throws.
 */
export async function* benchRows(
  { flow, select, columns, table, create }: ComputedSide,
  source: Client,
  { client, inSnapshot }: Bench,
  condition: string,
  values: readonly unknown[] = [],
): AsyncGenerator<void, void> {
  const compute = rowComputer(flow, columns)
  await client.query(`DROP TABLE IF EXISTS ${table}; ${create}`)
  if (!inSnapshot) await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    for await (const inputs of fetchRows(source, `${select} AND ${condition}`, values)) {
      const rows = inputs.flatMap(input => {
        const { key, values } = computeNamed(flow, compute, input)
        return values === null ? [] : [[...key, ...values, input.at(-1) ?? null]]
      })
      await client.query(`TRUNCATE ${table}`)
      if (rows.length > 0) await copyIn(client, `COPY ${table} FROM STDIN (FORMAT text)`, copyText(rows))
      yield
    }
  } finally {
    if (!inSnapshot) await source.query('ROLLBACK').catch(() => {})
  }
}

/** @throws TypeError where a function's rows are to be compared without a bench. */
export function needBench(bench: Bench | null): Bench {
  if (bench === null) throw new TypeError('rows that a function makes are compared at a bench')
  return bench
}
