import type { Triggers } from '@ficus/core/config/schema'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import pg, { type Client } from 'pg'
import { MARK } from '../change-source/marks.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'

/** A session that writes to a target the way sync does, and what the server let it have. */
export interface WriterSession {
  readonly client: Client
  /**
   * Ordinary triggers and foreign keys are silent, as they are for PostgreSQL's own replication: they fired at the
   * source. Needs a superuser, or `GRANT SET ON PARAMETER session_replication_role` (PostgreSQL 15 and later). Those that
   * are `ENABLE ALWAYS` act all the same.
   */
  readonly triggersSilent: boolean
  /** Goes after every BEGIN: marks the transaction as sync's where the session has no replication origin. */
  readonly transactionMark: string
}

/**
 * Opens a session whose transactions are known as sync's (invariant 5): by a replication origin where the user may
 * set one, else by a logical message at the start of each transaction.
 * @param origin null for a session that works beside another one with the same origin, which only one may hold.
 * @param triggers what the config says; `auto` where nobody asked.
 * @throws FICUS_DATABASE_UNFIT where triggers have to be silent, and the user may not see to it.
 */
export async function openWriterSession(
  target: Endpoint,
  origin: string | null,
  triggers: Triggers = 'auto',
): Promise<WriterSession> {
  const client = await openSession(target)
  const triggersSilent = await silenceTriggers(client, triggers)
  if (triggers === 'silent' && !triggersSilent) {
    await endSession(client)
    throw maySilence(target)
  }
  const marked = origin !== null && (await setOrigin(client, origin))
  const message = `SELECT pg_logical_emit_message(true, '${MARK.ORIGIN}', ${pg.escapeLiteral(origin ?? '')})`
  return { client, triggersSilent, transactionMark: marked || origin === null ? '' : `${message}; ` }
}

/** The role of a session is `origin` unless somebody set another one for the user or the database. */
async function silenceTriggers(client: Client, triggers: Triggers): Promise<boolean> {
  const role = triggers === 'fire' ? 'origin' : 'replica'
  const set = await allowed(client, `SET session_replication_role = ${role}`)
  return set && role === 'replica'
}

function maySilence(target: Endpoint): FicusError {
  const user = decodeURIComponent(new URL(target.url).username)
  return new FicusError('FICUS_DATABASE_UNFIT', `user ${user} of ${target.name} may not silence triggers`, {
    remedy:
      `Run GRANT SET ON PARAMETER session_replication_role TO "${user}" there as a superuser (PostgreSQL 15 and later), ` +
      `or let triggers and foreign keys act: capabilities.<name>.triggers: 'fire'.`,
  })
}

async function setOrigin(client: Client, origin: string): Promise<boolean> {
  const name = pg.escapeLiteral(origin)
  const create = `SELECT pg_replication_origin_create(${name}) WHERE pg_replication_origin_oid(${name}) IS NULL`
  return (await allowed(client, create)) && allowed(client, `SELECT pg_replication_origin_session_setup(${name})`)
}

/** Removes an origin that no session holds; one that is not there is no problem. A server has room for few of them. */
export async function dropOrigin(client: Client, origin: string): Promise<void> {
  const name = pg.escapeLiteral(origin)
  await allowed(client, `SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = ${name}`)
}

/** Missing rights, no origin free, the origin held elsewhere, or made by another at this moment: all of them mean no. */
const REFUSALS = new Set(['42501', '53400', '55006', '55000', '23505', '42710'])

async function allowed(client: Client, sql: string): Promise<boolean> {
  try {
    await client.query(sql)
    return true
  } catch (error) {
    if (REFUSALS.has(systemCodeOf(error) ?? '')) return false
    throw error
  }
}
