import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Terminal } from './terminal.ts'

/** Whatever was thrown, as an error with a code. */
export function toFicusError(error: unknown): FicusError {
  return error instanceof FicusError ? error : new FicusError('FICUS_INTERNAL', messageOf(error), { cause: error })
}

/**
 * Tells a person (or, with `--json`, a program) what went wrong: code, what and where, remedy.
 * @returns the command's exit code.
 */
export function reportError(error: unknown, terminal: Terminal): 1 | 2 | 3 {
  const named = toFicusError(error)
  const { colour } = terminal
  terminal.remark(`${colour.red(colour.bold(named.code))}  ${named.message}`)
  terminal.remark(`  ${colour.dim('what to do:')} ${named.remedy}`)
  if (named.code === 'FICUS_INTERNAL' && named.cause instanceof Error) {
    terminal.remark(colour.dim(named.cause.stack ?? ''))
  }
  terminal.amend({ error: named.toJSON() })
  return named.exitCode
}
