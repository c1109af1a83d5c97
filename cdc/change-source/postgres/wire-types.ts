import type { Client } from 'pg'
import { WIRE_TYPES } from '../../mapping/table-shape.ts'

/** How values of one type travel: the staging column's type, and whether their binary form means the same elsewhere. */
export interface WireType {
  readonly type: string
  readonly binary: boolean
}

/** Every type of a database by its OID. */
export async function readWireTypes(client: Client): Promise<ReadonlyMap<number, WireType>> {
  const { rows } = await client.query<{ oid: string; type: string; binary: boolean }>(
    `SELECT oid::int8::text AS oid, type, "binary" FROM (${WIRE_TYPES}) AS wire`,
  )
  return new Map(rows.map(row => [Number(row.oid), { type: row.type, binary: row.binary }]))
}
