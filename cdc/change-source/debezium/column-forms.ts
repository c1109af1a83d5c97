import type { Client } from 'pg'
import { dateText, instantText, timestampText, timeText } from './time-text.ts'
import {
  asText,
  bitText,
  booleanText,
  byteaText,
  circleText,
  floatText,
  hstoreText,
  integerText,
  intervalText,
  lineText,
  numericText,
  opaqueText,
  pointText,
  type ToText,
} from './value-text.ts'

/** How Debezium writes the values of a column, with the settings of connector-config.ts. */
export interface ColumnForm {
  readonly name: string
  /** As in SQL, for messages. */
  readonly type: string
  /**
   * Null where Debezium loses something of the type's values on the way, in silence or by failing: the column does not
   * travel, and its values are read back from the source.
   */
  readonly toText: ToText | null
  /** Some values are read back, or all of them. */
  readonly readBack: boolean
}

/** PostgreSQL's own types by their names in pg_type, as far as values of theirs arrive whole. docs/types.md tells all. */
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
  char: asText,
  json: asText,
  jsonb: asText,
  xml: asText,
  uuid: asText,
  inet: asText,
  cidr: asText,
  macaddr: asText,
  macaddr8: asText,
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
  point: pointText,
  line: lineText,
  circle: circleText,
  pg_lsn: opaqueText,
  tsquery: opaqueText,
  jsonpath: opaqueText,
  xid8: opaqueText,
  int4multirange: opaqueText,
  int8multirange: opaqueText,
  nummultirange: opaqueText,
  tsmultirange: opaqueText,
  tstzmultirange: opaqueText,
  datemultirange: opaqueText,
}

/** Types of which only some values arrive whole; value-text.ts and time-text.ts tell them from the others. */
const PARTLY = new Set(['interval', 'time'])

/** Types of extensions that Debezium knows. */
const OF_EXTENSIONS: Readonly<Record<string, ToText>> = { citext: asText, ltree: asText, hstore: hstoreText }

/** Kinds of types of a user's making (pg_type.typtype): enums, composites, ranges, multiranges. */
const OF_USERS: Readonly<Record<string, ToText>> = { e: asText, c: opaqueText, r: opaqueText, m: opaqueText }

/** Bits in a `bit(n)` that arrives as a number; a longer one could be stored apart, and then not be sent. */
const MAX_BITS = 64

interface TypeRow {
  readonly name: string
  readonly type: string
  /** The type's name in pg_type; a domain's base type. */
  readonly typname: string
  readonly typtype: string
  /** What belongs to the type: a length, a precision and scale; -1 for none. */
  readonly typmod: number
  readonly builtin: boolean
  readonly array: boolean
}

/** Reads how the values of each column of a table will arrive. @param oid the table's. */
export async function readColumnForms(client: Client, oid: number): Promise<ColumnForm[]> {
  const { rows } = await client.query<TypeRow>(
    `WITH RECURSIVE base (oid, base, typmod) AS (
       SELECT oid, oid, -1 FROM pg_type WHERE typtype <> 'd'
       UNION ALL
       SELECT d.oid, base.base, CASE WHEN d.typtypmod = -1 THEN base.typmod ELSE d.typtypmod END
       FROM pg_type d JOIN base ON base.oid = d.typbasetype WHERE d.typtype = 'd'
     )
     SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, t.typname, t.typtype,
            CASE WHEN a.atttypmod = -1 THEN base.typmod ELSE a.atttypmod END AS typmod,
            t.typnamespace = 'pg_catalog'::regnamespace AS builtin, t.typcategory = 'A' AS "array"
     FROM pg_attribute a
     JOIN base ON base.oid = a.atttypid
     JOIN pg_type t ON t.oid = base.base
     WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum`,
    [oid],
  )
  return rows.map(row => {
    const toText = formOf(row)
    return { name: row.name, type: row.type, toText, readBack: toText === null || PARTLY.has(row.typname) }
  })
}

function formOf({ typname, typtype, typmod, builtin, array }: TypeRow): ToText | null {
  // Debezium writes neither an array's lower bounds nor its dimensions, and nothing in what it writes tells.
  if (array) return null
  if (!builtin) return OF_USERS[typtype] ?? OF_EXTENSIONS[typname] ?? null
  if (typname === 'bit') return typmod >= 1 && typmod <= MAX_BITS ? bitText(typmod) : null
  if (typname === 'numeric' && hasNegativeScale(typmod)) return null
  return SCALARS[typname] ?? null
}

/** utils/adt/numeric.c, numeric_typmod_scale: eleven bits with a sign. Debezium takes it for a huge positive one. */
function hasNegativeScale(typmod: number): boolean {
  return typmod >= 4 && ((typmod - 4) & 0x400) !== 0
}
