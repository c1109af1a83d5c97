import { quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Relation, StreamEnded } from '../change-source/change-source.ts'
import { readTableShape } from '../mapping/table-shape.ts'
import type { Mirror } from './mirror-plan.ts'

/** The columns of a mirror that rows of `relation` bring in another type than the mirror has, or with other limits. */
export function columnsOfOtherType(mirror: Mirror, relation: Relation): string[] {
  return mirror.target.columns
    .filter(known => {
      const column = relation.columns.find(({ name }) => name === known.name)
      return column !== undefined && (column.type !== known.type || column.preciseType !== known.preciseType)
    })
    .map(({ name }) => name)
}

/**
 * Asserts that columns of a mirror's table still have the types that the session was opened with: then rows of another
 * type are older than a change of the table which the mirror has followed, and are taken as it changed its own rows.
 * @param source a session with the database that the table is in, outside a transaction.
 * @throws StreamEnded where the table was altered since: the session that begins anew gives the mirror the new types.
 */
export async function assertUnaltered(source: Client, mirror: Mirror, columns: readonly string[]): Promise<void> {
  const { name } = mirror.source
  // A change may be in the stream a moment before the catalog shows what its transaction altered. The table’s lock is
  // held until it does, so a statement that reads the table waits for that.
  await source.query(`SELECT FROM ${quoteTable(name)} LIMIT 0`)
  const live = await readTableShape(source, name)
  const typeIn = (shape: typeof live, column: string) => shape?.columns.find(({ name }) => name === column)?.fullType
  const altered = columns.filter(column => typeIn(live, column) !== typeIn(mirror.source, column))
  if (altered.length > 0) throw new StreamEnded(`${altered.join(', ')} of ${showTable(name)} was given another type`)
}
