import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { Flow, Match, TableRead } from '../mapping/flow.ts'

/**
 * What goes before a SELECT whose expressions look into other tables: it gives each of them its bare name, so that the
 * same expressions read the tables themselves on the source and their mirrors on the target. Empty where nothing is read.
 * @param tableOf the table that stands for the one read, quoted.
 */
export function readsClause(
  { reads }: Pick<Flow, 'reads'>,
  tableOf: (read: TableRead) => string = ({ table }) => quoteTable(table),
): string {
  if (reads.length === 0) return ''
  const tables = reads.map(
    read =>
      `${quoteIdentifier(read.table.table)} AS NOT MATERIALIZED (SELECT ${read.columns.map(quoteIdentifier).join(', ')} FROM ${tableOf(read)})`,
  )
  return `WITH ${tables.join(', ')} `
}

/** The condition that a row of a table read belongs to a row of the flow's own table, each under its alias. */
export function matchCondition(match: Match, read: string, from: string): string {
  return match
    .map(({ column, equals }) => `${read}.${quoteIdentifier(column)} = ${from}.${quoteIdentifier(equals)}`)
    .join(' AND ')
}

/**
 * What changes whenever rows that belong to a row of the flow's own table are written, as text.
 * @param alias the flow's own table in the query around.
 */
export function readVersions({ reads }: Pick<Flow, 'reads'>, alias: string): string {
  return reads
    .map(({ table, matches }) => {
      const belongs = matches.map(match => `(${matchCondition(match, 'ficus_read', alias)})`).join(' OR ')
      return ` || (SELECT coalesce(string_agg(ficus_read.xmin::text || ficus_read.ctid::text, ',' ORDER BY ficus_read.ctid), '') FROM ${quoteTable(table)} AS ficus_read WHERE ${belongs})`
    })
    .join('')
}
