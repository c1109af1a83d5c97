import { FicusError } from '../errors/ficus-error.ts'

/** Quotes one SQL identifier, so that it keeps its case and may hold any character. @throws on an empty one or a NUL. */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new FicusError('FICUS_MAPPING_INVALID', `${JSON.stringify(name)} is not a name that PostgreSQL accepts`)
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** A table's full name. */
export interface TableName {
  readonly schema: string
  readonly table: string
}

/**
 * Reads `schema.table` as PostgreSQL would: unquoted parts fold to lower case, quoted ones are kept as they are. A
 * name without a schema is in `public`.
 * @throws FICUS_MAPPING_INVALID on anything else.
 */
export function parseTableName(text: string): TableName {
  const parts = [...text.matchAll(/(?:^|\.)(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\p{N}_$]*))/gu)]
  const consumed = parts.reduce((length, part) => length + part[0].length, 0)
  const names = parts.map(part => part[1]?.replaceAll('""', '"') ?? (part[2] ?? '').toLowerCase())
  const [first, second] = names
  if (consumed !== text.length || first === undefined || names.length > 2) {
    throw new FicusError('FICUS_MAPPING_INVALID', `${JSON.stringify(text)} is not a table name`, {
      remedy: 'Write schema.table; put a part in double quotes if it has capitals or special characters.',
    })
  }
  return second === undefined ? { schema: 'public', table: first } : { schema: first, table: second }
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
