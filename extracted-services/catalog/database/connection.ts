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
 * A pool on the catalog's database. bigint arrives as a string, timestamptz as an ISO string in UTC with microseconds.
 * Connects on first use; end it with `db.destroy()`.
 *
 * @param url `postgres://user:password@host:port/database`
 */
export function openDatabase(url: string): Knex {
  return knex({
    client: 'pg',
    connection: {
      connectionString: url,
      options: '-c TimeZone=UTC',
      application_name: 'catalog',
      types: { getTypeParser },
    },
    pool: { min: 0, max: 10 },
    acquireConnectionTimeout: 10_000,
    // Knex would print what it throws besides.
    log: { error() {} },
  })
}

const REFUSALS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start PostgreSQL or correct DATABASE_URL',
  ENOTFOUND: 'no such host; correct DATABASE_URL',
  EHOSTUNREACH: 'the host cannot be reached; correct DATABASE_URL or the network',
  ETIMEDOUT: 'it does not answer; correct DATABASE_URL or the network',
  '28P01': 'the password is wrong; correct DATABASE_URL',
  '28000': 'the user may not connect; correct DATABASE_URL or pg_hba.conf',
  '3D000': 'there is no such database; create it or correct DATABASE_URL',
  '42501': 'the user lacks a privilege; grant it CREATE on the database',
}

/** One line for a person, without the password; null when the error is not about reaching the database. */
export function describeDatabaseError(error: unknown, url: string): string | null {
  const cause = error instanceof AggregateError ? error.errors[0] : error
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return null
  const advice = REFUSALS[cause.code]
  if (advice === undefined) return null
  const { hostname, port, pathname, username } = new URL(url)
  const where = `database ${pathname.slice(1)} at ${hostname}:${port || '5432'} as ${username}`
  return `${where}: ${advice} (${cause.message || cause.code})`
}
