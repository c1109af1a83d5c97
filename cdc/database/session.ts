import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { connect, databaseError } from '@ficus/core/ledger/connection'
import type { Client } from 'pg'

/** A database and how messages name it: `the monolith's database`. */
export interface Endpoint {
  readonly url: string
  readonly name: string
}

/**
 * Settings on which the text form of a value depends, the same in every session of sync and diff on both sides,
 * whatever a database or a role has for them. Times are UTC, so that an expression that depends on the time zone means
 * the same in both databases.
 */
export const TEXT_SETTINGS: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  xmloption: 'content',
  extra_float_digits: '1',
  lc_monetary: 'C',
}

/**
 * Limits on time, which a role or a database may have with people's sessions in mind, are lifted: a copy takes hours, and
 * a lock is worth waiting for. Which of them there are depends on the server's version.
 */
const PIN_SETTINGS = [
  ...Object.entries(TEXT_SETTINGS).map(([name, value]) => `SET ${name} = '${value}'`),
  `SET client_min_messages = 'error'`,
  // A policy that hides rows must not hide them from sync: the server then refuses the statement, and says so.
  `SET row_security = off`,
  // The source lets go what the target says it has, so a crash of the target's server must not undo a commit.
  `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
  // The view pg_settings would be made of all settings that there are, which takes half as long as to connect.
  `SELECT set_config(name, '0', false) FROM unnest(ARRAY['statement_timeout', 'lock_timeout', 'transaction_timeout',
     'idle_in_transaction_session_timeout', 'idle_session_timeout']) AS name WHERE current_setting(name, true) IS NOT NULL`,
].join('; ')

/**
 * Opens a session with the pinned settings.
 * @throws FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function openSession(endpoint: Endpoint): Promise<Client> {
  const client = await connect(endpoint.url, endpoint.name, { application_name: 'ficus sync' })
  try {
    await client.query(PIN_SETTINGS)
    return client
  } catch (error) {
    await endSession(client)
    throw databaseError(error, endpoint.name, endpoint.url)
  }
}

/**
 * Opens a session that speaks the replication protocol besides SQL, with the pinned settings.
 * @throws FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED; FICUS_DATABASE_UNFIT without the REPLICATION attribute.
 */
export async function openReplicationSession(endpoint: Endpoint): Promise<Client> {
  const url = new URL(endpoint.url)
  url.searchParams.set('replication', 'database')
  try {
    const client = await connect(url.href, endpoint.name, { application_name: 'ficus sync' })
    await client.query(PIN_SETTINGS)
    return client
  } catch (error) {
    throw isMissingReplication(error) ? lacksReplication(endpoint, error) : error
  }
}

/** How long a server may take to see a session off; one behind a dead network never does. */
const FAREWELL_MS = 2_000

/** Ends a session whatever its state, within two seconds. */
export async function endSession(client: Client | undefined): Promise<void> {
  if (client === undefined) return
  const timer = setTimeout(() => client.connection.stream.destroy(), FAREWELL_MS)
  await client.end().catch(() => {})
  clearTimeout(timer)
}

/** How long a session may take to say that it is there, before it counts as lost. */
const ANSWER_MS = 2_000

/**
 * The error of a session that was lost, with the database's name on it; any other as it is, such as that of the session with
 * the other side.
 */
export async function nameLost(error: unknown, client: Client, endpoint: Endpoint): Promise<unknown> {
  const named = databaseError(error, endpoint.name, endpoint.url)
  const isLoss = named !== error && named instanceof FicusError && named.code === 'FICUS_DATABASE_UNREACHABLE'
  return isLoss && (await answers(client)) ? error : named
}

/** Whether a session is there, be its transaction a failed one. */
async function answers(client: Client): Promise<boolean> {
  const asked = client.query('SELECT').then(
    () => true,
    (error: unknown) => systemCodeOf(error) === '25P02',
  )
  return Promise.race([asked, sleep(ANSWER_MS, false, { ref: false })])
}

/** Runs `work` in a session of its own. @throws what `work` throws, a lost connection with the database's name on it. */
export async function withSession<T>(endpoint: Endpoint, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await openSession(endpoint)
  try {
    return await work(client)
  } catch (error) {
    throw await nameLost(error, client, endpoint)
  } finally {
    await endSession(client)
  }
}

function isMissingReplication(error: unknown): boolean {
  const cause = error instanceof FicusError ? error.cause : error
  return systemCodeOf(cause) === '42501' || /replication/i.test(messageOf(cause))
}

function lacksReplication(endpoint: Endpoint, cause: unknown): FicusError {
  const user = decodeURIComponent(new URL(endpoint.url).username)
  return new FicusError('FICUS_DATABASE_UNFIT', `user ${user} of ${endpoint.name} may not replicate`, {
    cause,
    remedy: `Run ALTER ROLE "${user}" REPLICATION there as a superuser, and allow it in pg_hba.conf.`,
  })
}
