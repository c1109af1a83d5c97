import type { Client } from 'pg'
import { dateText, instantText, timestampText, timeText } from './time-text.ts'
import {
  arrayText,
  asText,
  booleanText,
  byteaText,
  floatText,
  integerText,
  intervalText,
  numericText,
  opaqueText,
  type ToText,
} from './value-text.ts'

/** How Debezium writes the values of a column, with the settings of connector-config.ts. */
export interface ColumnForm {
  readonly name: string
  /** As in SQL, for messages. */
  readonly type: string
  /** Null where Debezium loses something of the type's values on the way, or leaves the column out. */
  readonly toText: ToText | null
}

/** PostgreSQL's own types by their names in pg_type, as far as every value of theirs arrives whole. */
const SCALARS: Readonly<Record<string, ToText>> = {
  bool: booleanText,
  int2: integerText,
  int4: integerText,
  int8: integerText,
  oid: integerText,
  float4: floatText,
  float8: floatText,
  numeric: numericText,
  text: asText,
  varchar: asText,
  bpchar: asText,
  name: asText,
  json: asText,
  jsonb: asText,
  xml: asText,
  uuid: asText,
  inet: asText,
  cidr: asText,
  macaddr: asText,
  tsvector: asText,
  int4range: asText,
  int8range: asText,
  numrange: asText,
  tsrange: asText,
  tstzrange: asText,
  daterange: asText,
  bytea: byteaText,
  date: dateText,
  time: timeText,
  timestamp: timestampText,
  timestamptz: instantText,
  interval: intervalText,
  pg_lsn: opaqueText,
  tsquery: opaqueText,
  int4multirange: opaqueText,
  int8multirange: opaqueText,
  nummultirange: opaqueText,
  tsmultirange: opaqueText,
  tstzmultirange: opaqueText,
  datemultirange: opaqueText,
}

/** Element types of arrays that arrive whole. Times lose digits in an array, dates their infinities. */
const ELEMENTS = new Set([
  ...['bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bpchar'],
  ...['json', 'jsonb', 'uuid', 'inet', 'bytea'],
])

interface TypeRow {
  readonly name: string
  readonly type: string
  /** The type's name in pg_type; a domain's base type. */
  readonly typname: string
  /** `b`ase, `c`omposite, `e`num, … */
  readonly typtype: string
  readonly builtin: boolean
  readonly domain: boolean
  readonly element: string | null
  readonly element_typtype: string | null
  readonly element_builtin: boolean | null
}

/** Reads how the values of each column of a table will arrive. @param oid the table's. */
export async function readColumnForms(client: Client, oid: number): Promise<ColumnForm[]> {
  const { rows } = await client.query<TypeRow>(
    `WITH RECURSIVE base (oid, base) AS (
       SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
       UNION ALL
       SELECT d.oid, base.base FROM pg_type d JOIN base ON base.oid = d.typbasetype WHERE d.typtype = 'd'
     )
     SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, t.typname, t.typtype,
            t.typnamespace = 'pg_catalog'::regnamespace AS builtin, t.oid <> a.atttypid AS domain,
            e.typname AS element, e.typtype AS element_typtype,
            e.typnamespace = 'pg_catalog'::regnamespace AS element_builtin
     FROM pg_attribute a
     JOIN base ON base.oid = a.atttypid
     JOIN pg_type t ON t.oid = base.base
     LEFT JOIN pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
     WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum`,
    [oid],
  )
  return rows.map(row => ({ name: row.name, type: row.type, toText: formOf(row) }))
}

function formOf(row: TypeRow): ToText | null {
  if (row.element !== null) {
    if (row.domain) return null
    if (row.element_typtype === 'e') return arrayText(asText)
    const element = row.element_builtin === true && ELEMENTS.has(row.element) ? SCALARS[row.element] : undefined
    return element === undefined ? null : arrayText(element)
  }
  if (row.builtin) return SCALARS[row.typname] ?? null
  if (row.domain) return null
  if (row.typtype === 'e' || row.typname === 'citext') return asText
  return row.typtype === 'c' ? opaqueText : null
}
