import { FicusError } from '../errors/ficus-error.ts'

/** PostgreSQL cuts longer names off, and a name that is cut off may be another object's. Bytes of UTF-8. */
const LONGEST = 63

/**
 * Quotes one SQL identifier, so that it keeps its case and may hold any character.
 * @throws FICUS_MAPPING_INVALID on what no name in PostgreSQL can be: empty, with a NUL, or longer than 63 bytes.
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > LONGEST) {
    throw new FicusError('FICUS_MAPPING_INVALID', `${JSON.stringify(name)} is not a name that PostgreSQL accepts`, {
      remedy: `Use 1 to ${LONGEST} bytes.`,
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** A table's full name. */
export interface TableName {
  readonly schema: string
  readonly table: string
}

const PART = String.raw`(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\p{M}\p{N}_$]*))`
const TABLE_NAME = new RegExp(`^${PART}(?:\\.${PART})?$`, 'u')

/**
 * Reads `schema.table` as PostgreSQL would: unquoted parts fold to lower case (A to Z only, as it does in UTF-8), quoted
 * ones are kept as they are. A name without a schema is in `public`.
 * @throws FICUS_MAPPING_INVALID on anything else.
 */
export function parseTableName(text: string): TableName {
  const match = TABLE_NAME.exec(text)
  if (match === null) {
    throw new FicusError('FICUS_MAPPING_INVALID', `${JSON.stringify(text)} is not a table name`, {
      remedy: 'Write schema.table; put a part in double quotes if it has capitals or special characters.',
    })
  }
  const [, quotedFirst, plainFirst, quotedSecond, plainSecond] = match
  const first = partOf(quotedFirst, plainFirst)
  const second = partOf(quotedSecond, plainSecond)
  return second === '' ? { schema: 'public', table: first } : { schema: first, table: second }
}

function partOf(quoted: string | undefined, plain = ''): string {
  return quoted?.replaceAll('""', '"') ?? plain.replaceAll(/[A-Z]/g, letter => letter.toLowerCase())
}

/** `"schema"."table"`, ready for SQL. */
export function quoteTable(name: TableName): string {
  return `${quoteIdentifier(name.schema)}.${quoteIdentifier(name.table)}`
}

/** `schema.table` for people, quoted only where it must be. */
export function showTable(name: TableName): string {
  const show = (part: string) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : quoteIdentifier(part))
  return `${show(name.schema)}.${show(name.table)}`
}
