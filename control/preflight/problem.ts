import { ERROR_CODES, type ErrorCode } from '@ficus/core/errors/codes'
import type { FicusError } from '@ficus/core/errors/ficus-error'
import { toFicusError } from '../terminal/report-error.ts'

/** Something that stands in the way, where it is, and what to do about it. */
export interface Problem {
  readonly code: ErrorCode
  /** The setting, table or address that it is about. */
  readonly where: string
  readonly problem: string
  readonly remedy: string
}

/** Something that may be as it is, but that is worth to know. */
export type Note = Omit<Problem, 'code'>

/** One thing that was looked at. */
export interface Area {
  readonly name: string
  /** What was found there, in a few words. */
  readonly detail: string
  readonly problems: readonly Problem[]
  readonly notes: readonly Note[]
}

/** What looking at an area found. */
export interface Findings {
  readonly detail: string
  readonly problems?: readonly Problem[]
  readonly notes?: readonly Note[]
}

/** The exit code of all problems together: 0 none, 3 where a part is unreachable, 2 where settings are to be mended. */
export function exitCodeOf(problems: readonly Problem[]): 0 | 1 | 2 | 3 {
  return problems.reduce<0 | 1 | 2 | 3>((worst, { code }) => {
    const { exit } = ERROR_CODES[code]
    return exit > worst ? exit : worst
  }, 0)
}

/** The problems that an error stands for: each of a list that it carries, or itself. */
export function problemsOf(error: FicusError, where: string): Problem[] {
  const { problems } = error.details
  if (!Array.isArray(problems) || problems.length === 0) {
    return [{ code: error.code, where, problem: error.message, remedy: error.remedy }]
  }
  return problems.map(({ path, problem, remedy }: { path: string; problem: string; remedy: string }) => ({
    code: error.code,
    where: `${where} ${path}`,
    problem,
    remedy,
  }))
}

/** Looks at an area; a failure to look becomes its problem, so that the others are looked at all the same. */
export async function area(name: string, where: string, look: () => Promise<Findings>): Promise<Area> {
  try {
    const { detail, problems = [], notes = [] } = await look()
    return { name, detail, problems, notes }
  } catch (error) {
    return { name, detail: 'could not be looked at', problems: problemsOf(toFicusError(error), where), notes: [] }
  }
}
