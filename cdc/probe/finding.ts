import { messageOf } from '@ficus/core/errors/ficus-error'
import pg from 'pg'
import { withoutValues } from '../database/without-values.ts'

/** Something that a probe found. */
export interface ProbeFinding {
  /**
   * `problem`: reverse sync would stop or lose something. `undecided`: it could not be tried now. `note`: it works, and
   * somebody should know.
   */
  readonly kind: 'problem' | 'undecided' | 'note'
  /** `rows`: there and back; `columns`: what nobody restores; `writes`: the dry run; `stream`: the service's log. */
  readonly part: 'rows' | 'columns' | 'writes' | 'stream'
  /** The table, column or setting that it is about. */
  readonly where: string
  /** Without a value of any row, for it is kept. */
  readonly problem: string
  readonly remedy: string
  /** What the server said, which may hold values of rows: for a person at a terminal. */
  readonly said?: string
}

/** Of a mapping by a function in Node, which the databases cannot try. */
export function untried(part: ProbeFinding['part'], table: string): ProbeFinding {
  const remedy = 'Test in your own suite that one way undoes the other.'
  return note(part, table, 'a function maps its rows, so none was tried', remedy)
}

/** Of an entry of `back` that sees what forward does not make of the same rows. */
export function untriedBack(table: string): ProbeFinding {
  const remedy = 'Test in your own suite that `back` undoes what `tables` do.'
  return note(
    'rows',
    table,
    'no row of it went there and back: its entry of `back` sees more than forward makes of one row of the monolith, or a function',
    remedy,
  )
}

export function problem(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'problem', part, where, problem: text, remedy }
}

export function undecided(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'undecided', part, where, problem: text, remedy }
}

/** Of what a server refused: its own words are set apart. */
export function refusal(
  { where, part, kind }: Pick<ProbeFinding, 'where' | 'part' | 'kind'>,
  what: string,
  error: unknown,
  remedy: string,
): ProbeFinding {
  const finding = { kind, part, where, problem: `${what}: ${withoutValues(error)}`, remedy }
  return { ...finding, said: [messageOf(error), detailOf(error)].filter(text => text !== undefined).join(': ') }
}

function detailOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.detail : undefined
}

export function note(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'note', part, where, problem: text, remedy }
}
