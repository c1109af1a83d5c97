import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'

/**
 * What a failed statement means (PostgreSQL documentation, appendix A):
 * - `data`: the server refused these very values; they would be refused again. Classes 22, 23, 42, 44, a value past the
 *   server's limits (54), and what a trigger raises, be it with a code of its own.
 * - `passing`: nothing is wrong with the values; the same again may well succeed. Deadlocks, time-outs, a full disk, a
 *   connection that broke.
 * - `lasting`: somebody has to change something.
 */
export type Failure = 'data' | 'passing' | 'lasting'

const DATA = /^(09|21|22|23|27|38|39|42|44|54|P0)/
/** All classes that are PostgreSQL's; a code of another was made up by a trigger or a function. */
const OF_SERVER = /^(0[0-3]|0[89]|0[ABFLPZ]|2[0-8BDF]|3[489BDF]|4[024]|5[34578]|72|F0|HV|P0|XX)/
/** Among class 42 these are about rights, not about values. */
const RIGHTS = new Set(['42501'])
const PASSING = /^(08|40|53|55|57|58|XX|25006)/

export function judgeFailure(error: unknown): Failure {
  // What a mapping of a user's own says of one row.
  if (error instanceof FicusError && error.code === 'FICUS_CHANGE_REFUSED') return 'data'
  if (error instanceof FicusError) return error.retry ? 'passing' : 'lasting'
  const code = systemCodeOf(error)
  if (code === undefined) return 'passing'
  if (RIGHTS.has(code)) return 'lasting'
  if (PASSING.test(code) || /^E[A-Z]+$/.test(code)) return 'passing'
  return DATA.test(code) || (isSqlState(code) && !OF_SERVER.test(code)) ? 'data' : 'lasting'
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code)
}
