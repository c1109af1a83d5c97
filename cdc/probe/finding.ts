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
  readonly problem: string
  readonly remedy: string
}

/** Of a mapping by a function in Node, which the databases cannot try. */
export function untried(part: ProbeFinding['part'], table: string): ProbeFinding {
  const remedy = 'Test in your own suite that one way undoes the other.'
  return note(part, table, 'a function maps its rows, so none was tried', remedy)
}

export function problem(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'problem', part, where, problem: text, remedy }
}

export function undecided(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'undecided', part, where, problem: text, remedy }
}

export function note(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'note', part, where, problem: text, remedy }
}
