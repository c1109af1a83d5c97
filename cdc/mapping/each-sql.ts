import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { type Flow, keyExpressions, type MappedColumn, targetKey } from './flow.ts'
import { isOwn, ownRows } from './within.ts'

/**
 * The statement that removes what source rows have become and are no longer: all of the flow's own target rows of their keys
 * but those that the mapping makes of them now.
 * @param changed a query of the source rows' keys, under the target's names.
 * @param made a query of the target's whole keys.
 */
export function removedOfEach(flow: Flow, changed: string, made: string): string {
  const { reads } = ownRows(flow)
  const own = flow.within === undefined ? '' : ` AND ${isOwn(flow)}`
  return (
    `${reads}DELETE FROM ${quoteTable(flow.to)} AS t USING (${changed}) AS s WHERE ${match(keyExpressions(flow), 't', 's')} ` +
    `AND NOT EXISTS (SELECT FROM (${made}) AS m WHERE ${match(targetKey(flow), 't', 'm')})${own}`
  )
}

/** A query of one key that is made twice, as texts. @param made a query of the target's whole keys. */
export function doubledRows(flow: Flow, made: string): string {
  const keys = targetKey(flow).map(({ to }) => quoteIdentifier(to))
  const texts = keys.map(key => `${key}::text`)
  return `SELECT ARRAY[${texts.join(', ')}] AS key FROM (${made}) AS m GROUP BY ${keys.join(', ')} HAVING count(*) > 1 LIMIT 1`
}

function match(columns: readonly MappedColumn[], one: string, other: string): string {
  return columns.map(({ to }) => `${one}.${quoteIdentifier(to)} = ${other}.${quoteIdentifier(to)}`).join(' AND ')
}
