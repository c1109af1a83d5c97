import { z } from 'zod'
import { type Outcome, PASSED } from './outcome.ts'

const MISMATCH = z.looseObject({
  type: z.string(),
  mismatch: z.string().optional(),
  /** Of a body's part: a JSON path. */
  path: z.string().optional(),
})

const RESULT = z.looseObject({
  interactionId: z.string(),
  result: z.string(),
  mismatch: z.looseObject({ mismatches: z.array(MISMATCH).default([]), message: z.string().optional() }).optional(),
})

const REPORT = z.looseObject({
  interactionResults: z.array(RESULT),
  errors: z
    .array(z.looseObject({ interaction: z.string(), mismatch: z.looseObject({ message: z.string().optional() }) }))
    .default([]),
})

export type Report = z.output<typeof REPORT>

/** Reads the report of Pact's verifier. Returns null when the text is none: the verifier could not run. */
export function parseReport(text: string): Report | null {
  try {
    return REPORT.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/**
 * How the provider did on one interaction.
 * @param stateFailures why states of this interaction could not be made.
 */
export function outcomeOf(report: Report, id: string, stateFailures: readonly string[]): Outcome {
  const found = report.interactionResults.find(({ interactionId }) => interactionId === id)
  if (found === undefined) {
    const said = report.errors.flatMap(({ mismatch }) => mismatch.message ?? [])
    return { passed: false, compared: false, reason: ['the verifier left it out', ...said].join(': ') }
  }
  if (found.result === 'OK') return PASSED
  const mismatches = found.mismatch?.mismatches ?? []
  if (mismatches.length > 0) return { passed: false, compared: true, reason: mismatches.map(describe).join('; ') }
  if (stateFailures.length > 0) return { passed: false, compared: false, reason: stateFailures.join('; ') }
  return { passed: false, compared: true, reason: found.mismatch?.message ?? 'no reason given' }
}

function describe({ type, mismatch = '', path }: z.output<typeof MISMATCH>): string {
  if (type === 'BodyMismatch' && path !== undefined) return `body ${path === '/' ? '$' : path}: ${mismatch}`
  if (type === 'StatusMismatch') return `status: ${mismatch}`
  return mismatch === '' ? type : mismatch
}
