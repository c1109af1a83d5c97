import { databaseError } from '@ficus/core/ledger/connection'
import { showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { endSession, openSession, withSession } from '../../database/session.ts'
import { type ChangeSourceOptions, StreamEnded } from '../change-source.ts'
import { type ColumnTypes, compareTypes } from './column-types.ts'

type Watched = Pick<ChangeSourceOptions, 'source' | 'tables' | 'columnsRead'>

/**
 * Looks whether the types that events are read with are still those of the source. A type changes under a lock that no
 * writer shares, so an event that was written with another type was committed after the change: who reads events first
 * and the catalog afterwards sees it.
 */
export class CatalogWatch {
  readonly #watched: Watched
  readonly #types: ColumnTypes
  #client: Client | undefined
  /** What the catalog looked like, in one number. */
  #fingerprint: string | undefined

  /** @param types what events are read with; `readColumnTypes` told them before the readers were made. */
  constructor(watched: Watched, types: ColumnTypes) {
    this.#watched = watched
    this.#types = types
  }

  /**
   * Tells that everything received until now was written with the types known.
   * @throws StreamEnded where a type became wider: everything is to be opened anew; FICUS_SOURCE_CHANGED where it became
   *   another; FICUS_DATABASE_UNREACHABLE.
   */
  async assertUnchanged(): Promise<void> {
    const { source, tables } = this.#watched
    try {
      this.#client ??= await openSession(source)
      const fingerprint = await readFingerprint(this.#client, tables)
      if (fingerprint === this.#fingerprint) return
      const now = await readColumnTypes(this.#client, this.#watched)
      if (compareTypes(this.#types, now)) throw new StreamEnded('a column’s type became wider')
      this.#fingerprint = fingerprint
    } catch (error) {
      await this.close()
      throw databaseError(error, source.name, source.url)
    }
  }

  async close(): Promise<void> {
    await endSession(this.#client)
    this.#client = undefined
  }
}

/** Reads the types of the columns that are read of each table. */
export async function readColumnTypes(
  client: Client,
  { tables, columnsRead }: Omit<Watched, 'source'>,
): Promise<ColumnTypes> {
  const { rows } = await client.query<{ schema: string; table: string; name: string; number: number; type: string }>(
    `SELECT n.nspname AS schema, c.relname AS "table", a.attname AS name, a.attnum AS number,
            format_type(a.atttypid, a.atttypmod) AS type
     ${FROM_COLUMNS} ORDER BY n.nspname, c.relname, a.attnum`,
    namesOf(tables),
  )
  const types: Record<string, ColumnTypes[string]> = {}
  for (const table of tables) {
    const columns = rows.filter(row => row.schema === table.schema && row.table === table.table)
    const read = columnsRead(
      table,
      columns.map(({ name }) => name),
    )
    const ofTable = columns.filter(({ name }) => read.has(name))
    types[showTable(table)] = Object.fromEntries(ofTable.map(({ name, number, type }) => [name, { number, type }]))
  }
  return types
}

async function readFingerprint(client: Client, tables: readonly TableName[]): Promise<string> {
  const columns = 'c.oid, a.attnum, a.attname, a.atttypid, a.atttypmod'
  const { rows } = await client.query<{ fingerprint: string }>({
    name: 'fingerprint',
    text: `SELECT md5(string_agg(concat_ws(',', ${columns}), ';' ORDER BY c.oid, a.attnum)) AS fingerprint ${FROM_COLUMNS}`,
    values: namesOf(tables),
  })
  return rows[0]?.fingerprint ?? ''
}

const FROM_COLUMNS = `
  FROM unnest($1::text[], $2::text[]) AS wanted (schema, "table")
  JOIN pg_namespace n ON n.nspname = wanted.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`

function namesOf(tables: readonly TableName[]): [string[], string[]] {
  return [tables.map(({ schema }) => schema), tables.map(({ table }) => table)]
}

/** Where a connector's configuration keeps the types with which its events are read; Kafka Connect passes it over. */
export const TYPES_SETTING = 'ficus.column.types'

/** The types that a connector's events were read with until now, as its configuration has kept them. */
export function keptTypes(config: Readonly<Record<string, string>> | null): ColumnTypes {
  const kept = config?.[TYPES_SETTING]
  return kept === undefined ? {} : (JSON.parse(kept) as ColumnTypes)
}

/** Reads the types of now, and compares them with those that are kept. @throws FICUS_SOURCE_CHANGED */
export async function typesOfNow(watched: Watched, kept: ColumnTypes): Promise<ColumnTypes> {
  const now = await withSession(watched.source, client => readColumnTypes(client, watched))
  compareTypes(kept, now)
  return now
}
