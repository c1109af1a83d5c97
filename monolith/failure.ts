/** Ends the process: 1 failed, 2 bad usage or environment, 3 the database or the port cannot be had. */
export type ExitCode = 1 | 2 | 3

/** A failure that a person can mend, with how. */
export class Failure extends Error {
  readonly exitCode: ExitCode
  readonly remedy: string

  constructor(exitCode: ExitCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
    this.remedy = remedy
  }
}

/** By PostgreSQL's SQLSTATE, or by the code that the system gives when there is no connection. */
const REMEDIES: Record<string, string> = {
  ECONNREFUSED: 'Start PostgreSQL, or point DATABASE_URL at where it listens.',
  ENOTFOUND: 'Mend the host name in DATABASE_URL.',
  ETIMEDOUT: 'Look whether the host and port in DATABASE_URL can be reached from here.',
  ECONNRESET: 'Look whether what listens there is PostgreSQL, and whether it is going down.',
  EADDRINUSE: 'Stop what listens there, or set PORT to another one (0 takes a free one).',
  EACCES: 'Set PORT to one above 1023.',
  EADDRNOTAVAIL: 'Set HOST to an address of this machine.',
  '28P01': 'Mend the user or the password in DATABASE_URL.',
  '28000': 'Allow this user to connect (pg_hba.conf), or take another one in DATABASE_URL.',
  '3D000': 'Create the database, or mend its name in DATABASE_URL.',
  '53300': 'Close other clients or raise max_connections.',
  '57P03': 'Wait until PostgreSQL has started, then try again.',
  '42501': 'Give this user the rights, or take the owner of the database in DATABASE_URL.',
  '42P01': 'Make the tables first: node monolith/main.ts migrate',
}

const FAILED_HERE = new Set(['42501', '42P01'])

/** Turns what the database, the system or the shop itself threw into a failure with a remedy, if it is a known one. */
export function toFailure(error: unknown): Failure | null {
  if (error instanceof Failure) return error
  // A host name with several addresses gives one error for each.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  if (!(first instanceof Error)) return null
  const code = 'code' in first && typeof first.code === 'string' ? first.code : ''
  const remedy = REMEDIES[code]
  if (remedy === undefined) return null
  return new Failure(FAILED_HERE.has(code) ? 1 : 3, first.message, remedy, { cause: error })
}
