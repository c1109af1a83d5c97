import type { ProviderState } from '../pact/pact.ts'

/** How one provider did on one interaction. */
export interface Outcome {
  readonly passed: boolean
  /** False when its answer was never compared: a provider state could not be made, or the verifier left it out. */
  readonly compared: boolean
  /** What was wrong, in one line; null when it passed. */
  readonly reason: string | null
}

export const PASSED: Outcome = { passed: true, compared: true, reason: null }

/** Names an interaction for a person: `storefront: a product (given a product exists)`. */
export function interactionName(consumer: string, description: string, states: readonly ProviderState[]): string {
  const given = states.length === 0 ? '' : ` (given ${states.map(({ name }) => name).join(' and ')})`
  return `${consumer}: ${description}${given}`
}
