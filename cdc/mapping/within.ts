import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { bracketed, type Flow } from './flow.ts'

/** The rows of a flow's target that are its own, as SQL: all of them, unless it says which. */
export interface OwnRows {
  /** What goes before the statement: the tables that the condition looks into, under their bare names. */
  readonly reads: string
  /** The target's table under its bare name, by which the condition knows it. */
  readonly table: string
  /** True or false, never unknown. */
  readonly where: string
}

export function ownRows({ to, within }: Pick<Flow, 'to' | 'within'>): OwnRows {
  const reads = (within?.reads ?? []).map(
    table => `${quoteIdentifier(table.table)} AS NOT MATERIALIZED (TABLE ${quoteTable(table)})`,
  )
  return {
    reads: reads.length === 0 ? '' : `WITH ${reads.join(', ')} `,
    table: `${quoteTable(to)} AS ${quoteIdentifier(to.table)}`,
    where: within === undefined ? 'true' : `${bracketed(within.where)} IS TRUE`,
  }
}
