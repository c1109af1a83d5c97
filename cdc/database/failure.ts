import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'

/**
 * What a failed statement means (PostgreSQL documentation, appendix A):
 * - `data`: the server refused these very values; they would be refused again. Classes 22, 23, 42, 44 and what a trigger raises.
 * - `passing`: nothing is wrong with the values; the same again may well succeed. Deadlocks, time-outs, a full disk, a
 *   connection that broke.
 * - `lasting`: somebody has to change something.
 */
export type Failure = 'data' | 'passing' | 'lasting'

const DATA = /^(22|23|42|44|P0)/
/** Among class 42 these are about rights, not about values. */
const RIGHTS = new Set(['42501'])
const PASSING = /^(08|40|53|55|57|58|XX|25006)/

export function judgeFailure(error: unknown): Failure {
  if (error instanceof FicusError) return error.retry ? 'passing' : 'lasting'
  const code = systemCodeOf(error)
  if (code === undefined) return 'passing'
  if (RIGHTS.has(code)) return 'lasting'
  if (DATA.test(code)) return 'data'
  return PASSING.test(code) || /^E[A-Z]+$/.test(code) ? 'passing' : 'lasting'
}
