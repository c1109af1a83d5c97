import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import pg from 'pg'

/**
 * What a failed statement means (PostgreSQL documentation, appendix A):
 * - `data`: the server refused these very values; they would be refused again. Classes 22, 23, 42, 44, a value past the
 *   server's limits (54), and what a trigger raises, be it with a code of its own.
 * - `passing`: nothing is wrong with the values; the same again may well succeed. Deadlocks, time-outs, a full disk, a
 *   connection that broke.
 * - `lasting`: somebody has to change something, be it this code: an error that the language raised is a mistake in it.
 */
export type Failure = 'data' | 'passing' | 'lasting'

const DATA = /^(09|21|22|23|27|38|39|42|44|54|P0)/
/** All classes that are PostgreSQL's; a code of another was made up by a trigger or a function. */
const OF_SERVER = /^(0[0-3]|0[89]|0[ABFLPZ]|2[0-8BDF]|3[489BDF]|4[024]|5[34578]|72|F0|HV|P0|XX)/
/** Among class 42 these are about rights, not about values. */
const RIGHTS = new Set(['42501'])
const PASSING = /^(08|40|53|55|57|58|XX000|25006)/
/** Raises what a function or a trigger says, in PL/pgSQL. The routine's name is not translated, as the message is. */
const RAISED = 'exec_stmt_raise'
/** Refuses an UPDATE or a DELETE that a publication would have to carry and cannot. */
const UNPUBLISHABLE = 'CheckCmdReplicaIdentity'

export function judgeFailure(error: unknown): Failure {
  // What a mapping of a user's own says of one row.
  if (error instanceof FicusError && error.code === 'FICUS_CHANGE_REFUSED') return 'data'
  if (error instanceof FicusError) return error.retry ? 'passing' : 'lasting'
  const code = systemCodeOf(error)
  if (code === undefined) return isMistake(error) ? 'lasting' : 'passing'
  const routine = routineOf(error)
  if (routine === UNPUBLISHABLE) return 'lasting'
  // A code that stands for something passing elsewhere: only of class 40 is it the custom to ask so for another try.
  if (routine === RAISED && !code.startsWith('40')) return 'data'
  if (RIGHTS.has(code)) return 'lasting'
  if (PASSING.test(code) || /^E[A-Z]+$/.test(code)) return 'passing'
  return DATA.test(code) || (isSqlState(code) && !OF_SERVER.test(code)) ? 'data' : 'lasting'
}

/** The error of an UPDATE or a DELETE that somebody's publication at the target refuses, with a name; others as they are. */
export function unpublishable(error: unknown, target: string): unknown {
  if (routineOf(error) !== UNPUBLISHABLE) return error
  return new FicusError('FICUS_DATABASE_UNFIT', `${target} refuses to change rows: ${messageOf(error)}`, {
    cause: error,
    remedy:
      'A publication there has the table, whose rows nothing identifies: give it a primary key, or run ' +
      'ALTER TABLE … REPLICA IDENTITY USING INDEX … (or FULL), or take it out of that publication.',
  })
}

function routineOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.routine : undefined
}

/** What the language itself raises; a lost connection is an Error of no such kind, without a code. */
function isMistake(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof ReferenceError
  )
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code)
}
