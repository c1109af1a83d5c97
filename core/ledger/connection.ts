import pg from 'pg'
import { FicusError, messageOf, systemCodeOf } from '../errors/ficus-error.ts'
import { hidePassword } from '../log/logger.ts'

/** Longest wait for an answer of the ledger, milliseconds: a host that vanished closes no connection. */
export const LEDGER_ANSWER_TIMEOUT = 10_000

/** A host that vanished is noticed by keepalives of the operating system, which begin after so long a silence. */
const CONNECTING = { connectionTimeoutMillis: 5_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/** SQLSTATEs of a server that answers and refuses: authentication, unknown database, missing privilege. */
const REFUSED = new Set(['28000', '28P01', '3D000', '42501'])

/** What the driver itself finds while it is let in: a password that the address lacks, a certificate that does not fit. */
function isRefused(code: string | undefined, message: string): boolean {
  return code === undefined ? /^SASL|SSL/.test(message) : REFUSED.has(code) || /CERT|TLS|SSL/.test(code)
}

/** System and SQLSTATE codes of a database that cannot be reached now: connection exceptions, shutdown, too many clients. */
function isUnreachable(code: string | undefined, message: string): boolean {
  if (code === undefined) return /terminated|ended|timeout|closed|not queryable/i.test(message)
  return /^E[A-Z]+$/.test(code) || code.startsWith('08') || code.startsWith('57P') || code === '53300'
}

/**
 * Puts a name and a remedy on a failure of a database, so that a person learns which one it was. Errors that are
 * neither about reaching it nor about being let in come back unchanged.
 * @param what which database, as a person knows it: `the monolith's database`.
 */
export function databaseError(error: unknown, what: string, url: string): unknown {
  if (error instanceof FicusError) return error
  const code = systemCodeOf(error)
  // The driver's own have no class; other parts' errors may speak of time-outs too, and of what was closed.
  if (code === undefined && error instanceof Error && error.name !== 'Error') return error
  const at = `${what} at ${hidePassword(url)}`
  if (isRefused(code, messageOf(error))) {
    return new FicusError('FICUS_DATABASE_REFUSED', `${at} refused: ${messageOf(error)}`, { cause: error })
  }
  if (isUnreachable(code, messageOf(error))) {
    return new FicusError('FICUS_DATABASE_UNREACHABLE', `${at} cannot be reached: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return error
}

/** Opens one connection, or throws FICUS_DATABASE_UNREACHABLE or FICUS_DATABASE_REFUSED with `what` in the message. */
export async function connect(url: string, what: string, options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, ...CONNECTING, ...options })
  // Without a listener a lost connection would end the process; whoever uses the client sees it fail.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw loginError(error, what, url)
  }
}

/** Whatever else a server says while it is asked to let somebody in is a refusal: a database closed to connections, say. */
function loginError(error: unknown, what: string, url: string): unknown {
  const named = databaseError(error, what, url)
  if (named instanceof FicusError || !(error instanceof pg.DatabaseError)) return named
  const at = `${what} at ${hidePassword(url)}`
  return new FicusError('FICUS_DATABASE_REFUSED', `${at} refused: ${messageOf(error)}`, { cause: error })
}

/** The same for the ledger, whose absence has a code of its own. */
export function ledgerError(error: unknown, url: string): unknown {
  const named = databaseError(error, 'the ledger', url)
  if (named instanceof FicusError && named.code === 'FICUS_DATABASE_UNREACHABLE') {
    return new FicusError('FICUS_LEDGER_UNREACHABLE', named.message, { cause: named.cause })
  }
  return named
}

/** Opens one connection to the ledger. @throws FICUS_LEDGER_UNREACHABLE, FICUS_DATABASE_REFUSED. */
export async function connectLedger(url: string, applicationName: string): Promise<pg.Client> {
  try {
    return await connect(url, 'the ledger', { application_name: applicationName, query_timeout: LEDGER_ANSWER_TIMEOUT })
  } catch (error) {
    throw ledgerError(error, url)
  }
}
