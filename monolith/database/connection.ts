import knex, { type Knex } from 'knex'
import pg from 'pg'

const TIMESTAMPTZ = 1184

/**
 * PostgreSQL's text for a timestamptz, in a session whose time zone is UTC, as ISO 8601 with all six digits:
 * `2026-01-02 03:04:05.12+00` -> `2026-01-02T03:04:05.120000Z`. A Date would round to milliseconds.
 */
export function isoMicroseconds(text: string): string {
  const match = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text)
  if (match === null) throw new Error(`"${text}" is not a timestamptz in UTC`)
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}Z`
}

function getTypeParser(oid: number, format: string): (value: string) => unknown {
  if (format === 'binary') return pg.types.getTypeParser(oid, 'binary')
  return oid === TIMESTAMPTZ ? isoMicroseconds : pg.types.getTypeParser(oid, 'text')
}

/**
 * A pool on the shop's database. bigint and numeric arrive as strings, so no cent is lost; timestamptz as an ISO
 * string in UTC with microseconds. Connects on first use; end it with `db.destroy()`.
 *
 * @param url `postgres://user:password@host:port/database`
 */
export function openDatabase(url: string): Knex {
  return knex({
    client: 'pg',
    connection: {
      connectionString: url,
      options: '-c TimeZone=UTC',
      application_name: 'shop',
      types: { getTypeParser },
    },
    pool: { min: 0, max: 10 },
    acquireConnectionTimeout: 10_000,
    // Knex would print what it throws besides.
    log: { error() {} },
  })
}
