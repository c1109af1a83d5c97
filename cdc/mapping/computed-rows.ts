import { quoteIdentifier } from '@ficus/core/sql/identifier'
import { copyText } from '../database/copy-text.ts'
import { bracketed, type Flow, keyExpressions, mappedExpressions, targetKey } from './flow.ts'
import { columnOf, filterCondition, OPERATION_COLUMN, sourceSideType } from './merge-sql.ts'
import { computeColumns, type RowFunction } from './row-function.ts'
import type { TableShape } from './table-shape.ts'

/** A flow whose rows a function makes. */
export type ComputedFlow = Flow & { readonly compute: RowFunction }

export function isComputed(flow: Flow): flow is ComputedFlow {
  return flow.compute !== undefined
}

/**
 * The select list by which rows are read for a flow's function, all as text: the target's key columns,
 * whether the filter lets the row in, then `columns`.
 * @param present a condition that the whole row is known; without it the function is not asked.
 */
export function functionInput(flow: Flow, target: TableShape, columns: readonly string[], present = 'true'): string {
  const keys = keyExpressions(flow).map(
    ({ to, expression }) => `${bracketed(expression)}::${sourceSideType(columnOf(target, to))}::text`,
  )
  const values = columns.map(column => `${quoteIdentifier(column)}::text`)
  const filter = `CASE WHEN ${present} THEN (${filterCondition(flow)})::text ELSE 'false' END`
  return [...keys, filter, ...values].join(', ')
}

/** What a function made of a row. */
export interface ComputedRow {
  /** The target's key. */
  readonly key: readonly (string | null)[]
  /** The columns behind the key; null where the row has no counterpart. */
  readonly values: readonly (string | null)[] | null
}

/** Makes of rows that were read by `functionInput` what the function gives. @throws FICUS_CHANGE_REFUSED */
export function rowComputer(
  flow: ComputedFlow,
  columns: readonly string[],
): (input: readonly (string | null)[]) => ComputedRow {
  const names = mappedExpressions(flow).map(({ to }) => to)
  const keys = flow.key.length
  return input => {
    const key = input.slice(0, keys)
    if (input[keys] !== 'true') return { key, values: null }
    const row = Object.fromEntries(columns.map((name, index) => [name, input[keys + 1 + index] ?? null]))
    return { key, values: computeColumns(flow.compute, Object.freeze(row), names, flow.path) }
  }
}

/** A flow that carries rows in the target's shape as they are. */
export function asItIs(flow: Flow): Flow {
  return {
    path: flow.path,
    from: { schema: 'pg_temp', table: 'ficus_row' },
    to: flow.to,
    key: targetKey(flow).map(({ to }) => ({ from: to, to })),
    where: null,
    columns: flow.columns.map(({ to }) => ({ to, expression: quoteIdentifier(to) })),
    ...(flow.within === undefined ? {} : { within: flow.within }),
    reads: [],
  }
}

/** The column list of a temporary table for rows of the target's shape, with what is to be done with each. */
export function computedColumns(flow: Flow, target: TableShape): string {
  const columns = flow.columns.map(({ to }) => `${quoteIdentifier(to)} ${sourceSideType(columnOf(target, to))}`)
  return [`${OPERATION_COLUMN} int2`, ...columns].join(', ')
}

/** The data of a COPY in text format into such a table. */
export function computedData(
  rows: Iterable<{ readonly operation: number } & ComputedRow>,
  flow: Flow,
): Generator<Buffer> {
  const none = mappedExpressions(flow).map(() => null)
  return copyText(
    (function* () {
      for (const { operation, key, values } of rows) yield [String(operation), ...key, ...(values ?? none)]
    })(),
  )
}
