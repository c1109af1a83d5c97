import type { Client } from 'pg'
import { wireTypes } from '../../mapping/table-shape.ts'

/** How values of one type travel: the staging column's type, and whether their binary form means the same elsewhere. */
export interface WireType {
  readonly type: string
  readonly binary: boolean
  /** The type itself, or what a domain is over. */
  readonly baseOid: number
  /** The length or precision that a domain gives its base type, as in `pg_type.typtypmod`; -1 is none. */
  readonly baseModifier: number
}

/** Every type of a database by its OID. */
export async function readWireTypes(client: Client): Promise<ReadonlyMap<number, WireType>> {
  const { rows } = await client.query<{
    oid: string
    type: string
    binary: boolean
    base_oid: string
    base_modifier: number
  }>(`SELECT oid::int8::text AS oid, type, "binary", base_oid, base_modifier FROM (${wireTypes('true')}) AS wire`)
  return new Map(
    rows.map(({ oid, type, binary, base_oid, base_modifier }) => [
      Number(oid),
      { type, binary, baseOid: Number(base_oid), baseModifier: base_modifier },
    ]),
  )
}
