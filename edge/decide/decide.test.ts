import { PHASE_RULES, PHASES, SIDES } from '@ficus/core/phases/phase'
import { describe, expect, it } from 'vitest'
import { type DecisionInput, decide } from './decide.ts'

const BOTH = [false, true]

/** Every input there is: 6 phases x 2 owners x 2 kinds x 4 positions of the dials. */
const ALL: DecisionInput[] = PHASES.flatMap(phase =>
  SIDES.flatMap(owner =>
    BOTH.flatMap(isRead =>
      BOTH.flatMap(read => BOTH.map(shadow => ({ phase, owner, isRead, dials: { read, shadow } }))),
    ),
  ),
)

describe.each(ALL)('in $phase, owned by the $owner, read: $isRead, dials: $dials', input => {
  const decision = decide(input)
  const rules = PHASE_RULES[input.phase]

  it('invariant 6: a dial never takes traffic past what the phase allows', () => {
    if (!input.isRead) return expect(decision).toEqual({ side: input.owner, shadow: false, reason: 'owner' })
    if (rules.reads !== 'dial') return expect(decision.side).toBe(rules.reads)
    expect(decision.side).toBe(input.dials.read ? 'service' : 'monolith')
  })

  it('mirrors only reads that the monolith answers, where the phase compares', () => {
    const allowed = rules.shadow && input.isRead && decision.side === 'monolith'
    expect(decision.shadow).toBe(allowed && input.dials.shadow)
  })

  it('names the dial as the reason only where the dial had a say', () => {
    const flipped = decide({ ...input, dials: { ...input.dials, read: !input.dials.read } })
    expect(decision.reason === 'dial').toBe(flipped.side !== decision.side)
  })
})
