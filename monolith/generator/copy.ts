import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

/** A value as a generator gives it: a list becomes an array column, another object jsonb. */
export type Value = string | number | boolean | null | readonly string[] | { readonly [key: string]: unknown }

/** A row by its columns. All rows of a table have the same columns in the same order. */
export type Row = Readonly<Record<string, Value>>

const ROWS_PER_CHUNK = 500

/** Fills a table with COPY. */
export async function copyRows(client: pg.ClientBase, table: string, rows: readonly Row[]): Promise<void> {
  const [first] = rows
  if (first === undefined) return
  const columns = Object.keys(first).map(column => pg.escapeIdentifier(column))
  const sink = client.query(copyFrom(`copy ${pg.escapeIdentifier(table)} (${columns.join(', ')}) from stdin`))
  await pipeline(Readable.from(chunks(rows)), sink)
}

function* chunks(rows: readonly Row[]): Generator<string> {
  for (let first = 0; first < rows.length; first += ROWS_PER_CHUNK) {
    yield rows
      .slice(first, first + ROWS_PER_CHUNK)
      .map(copyLine)
      .join('')
  }
}

function copyLine(row: Row): string {
  return `${Object.values(row).map(copyText).join('\t')}\n`
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** One field of COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2 */
export function copyText(value: Value): string {
  if (value === null) return '\\N'
  return plainText(value).replace(/[\\\t\n\r]/g, character => ESCAPES[character] ?? '')
}

function plainText(value: Exclude<Value, null>): string {
  if (isList(value)) return `{${value.map(item => `"${item.replace(/["\\]/g, '\\$&')}"`).join(',')}}`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value)
}
