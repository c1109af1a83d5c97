import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { bracketed, type Flow, targetKey } from './flow.ts'

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

/** The condition that the row `t` of the flow's target is its own. */
export function isOwn(flow: Pick<Flow, 'to' | 'within'>): string {
  // A row of its own: the condition may name columns without their table, and what `t` is joined to has the key's too.
  return `EXISTS (SELECT FROM (SELECT t.*) AS ${quoteIdentifier(flow.to.table)} WHERE ${ownRows(flow).where})`
}

/**
 * Whether rows of the target that are not the flow's own are refused, and not deleted. Where sync itself writes what decides
 * it, one that is not yet, or no more, may be the service's.
 */
export function keepsOthers({ within }: Pick<Flow, 'within'>): boolean {
  return within !== undefined && !within.written
}

/** `DELETE` of those of `keys` that are the flow's own. @param keys a query of the target's keys. */
export function removedRows(flow: Flow, keys: string, match: string): string {
  const [reads, own] = keepsOthers(flow) ? [ownRows(flow).reads, ` AND ${isOwn(flow)}`] : ['', '']
  return `${reads}DELETE FROM ${quoteTable(flow.to)} AS t USING (${keys}) AS s WHERE ${match}${own}`
}

/** `UPDATE` of those of `rows` that are the flow's own. @param rows a FROM item that `match` joins to the target's row `t`. */
export function movedRows(flow: Flow, assignments: string, rows: string, match: string): string {
  const [reads, own] = keepsOthers(flow) ? [ownRows(flow).reads, ` AND ${isOwn(flow)}`] : ['', '']
  return `${reads}UPDATE ${quoteTable(flow.to)} AS t SET ${assignments} FROM ${rows} WHERE ${match}${own}`
}

/**
 * A query of the key, as texts, of a row that would be written and is not the flow's own; null where that cannot be told.
 * @param rows a query of the target's keys.
 */
export function othersWritten(flow: Flow, rows: string, match: string): string | null {
  if (!keepsOthers(flow)) return null
  const key = targetKey(flow).map(({ to }) => `t.${quoteIdentifier(to)}::text`)
  return `${ownRows(flow).reads}SELECT ARRAY[${key.join(', ')}] AS key FROM ${quoteTable(flow.to)} AS t JOIN (${rows}) AS s ON ${match} WHERE NOT ${isOwn(flow)} LIMIT 1`
}
