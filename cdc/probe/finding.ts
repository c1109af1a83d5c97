/** Something that a probe found. */
export interface ProbeFinding {
  /** `problem`: reverse sync would stop or lose something. `note`: it works, and somebody should know. */
  readonly kind: 'problem' | 'note'
  /** `rows`: there and back; `columns`: what nobody restores; `writes`: the dry run; `stream`: the service's log. */
  readonly part: 'rows' | 'columns' | 'writes' | 'stream'
  /** The table, column or setting that it is about. */
  readonly where: string
  readonly problem: string
  readonly remedy: string
}

export function problem(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'problem', part, where, problem: text, remedy }
}

export function note(part: ProbeFinding['part'], where: string, text: string, remedy: string): ProbeFinding {
  return { kind: 'note', part, where, problem: text, remedy }
}
