import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

/** A value as a generator gives it: a list becomes an array column, another object jsonb. */
export type Value = string | number | boolean | null | readonly string[] | { readonly [key: string]: unknown }

const ROWS_PER_CHUNK = 500

/** Fills a table with COPY. Every row has one value for each column. */
export async function copyRows(
  client: pg.ClientBase,
  table: string,
  columns: readonly string[],
  rows: Iterable<readonly Value[]>,
): Promise<void> {
  const names = columns.map(column => pg.escapeIdentifier(column)).join(', ')
  const sink = client.query(copyFrom(`copy ${pg.escapeIdentifier(table)} (${names}) from stdin`))
  await pipeline(Readable.from(chunks(rows)), sink)
}

function* chunks(rows: Iterable<readonly Value[]>): Generator<string> {
  let lines: string[] = []
  for (const row of rows) {
    lines.push(`${row.map(copyText).join('\t')}\n`)
    if (lines.length === ROWS_PER_CHUNK) {
      yield lines.join('')
      lines = []
    }
  }
  if (lines.length > 0) yield lines.join('')
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
