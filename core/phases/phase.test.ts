import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeMove, type Move, PHASE_RULES, PHASES, type Phase } from './phase.ts'

describe('the table', () => {
  it('says for each phase what it allows', () => {
    const rows = PHASES.map(phase => {
      const { owner, reads, shadow, sync, back, next } = PHASE_RULES[phase]
      return [phase, owner, reads, shadow, sync, back, next]
    })
    expect(rows).toEqual([
      ['legacy', 'monolith', 'monolith', false, 'none', null, 'syncing'],
      ['syncing', 'monolith', 'monolith', false, 'forward', 'legacy', 'shadowing'],
      ['shadowing', 'monolith', 'monolith', true, 'forward', 'syncing', 'canary'],
      ['canary', 'monolith', 'dial', true, 'forward', 'shadowing', 'extracted'],
      ['extracted', 'service', 'service', false, 'reverse', 'canary', 'retired'],
      ['retired', 'service', 'service', false, 'none', null, null],
    ])
  })

  it('is total: its keys are the phases, and it leads from the first to the last through all of them', () => {
    expect(Object.keys(PHASE_RULES)).toEqual([...PHASES])
    const walked: Phase[] = []
    for (let at: Phase | null = 'legacy'; at !== null; at = PHASE_RULES[at].next) walked.push(at)
    expect(walked).toEqual([...PHASES])
  })

  it('invariant 6: only a phase with forward sync lets users or shadows reach the service before it owns', () => {
    for (const rules of Object.values(PHASE_RULES).filter(({ owner }) => owner === 'monolith')) {
      if (rules.reads !== 'monolith' || rules.shadow) expect(rules.sync).toBe('forward')
      expect(rules.reads).not.toBe('service')
    }
  })

  it('invariant 10: every phase between legacy and retired has a step back, and it undoes the step forward', () => {
    for (const phase of PHASES) {
      const { back, next } = PHASE_RULES[phase]
      expect(back === null).toBe(phase === 'legacy' || phase === 'retired')
      if (next !== null && next !== 'retired') expect(PHASE_RULES[next].back).toBe(phase)
    }
  })
})

describe('a move', () => {
  const FORWARD = '>'
  const NONE = '='
  const REFUSED = 'x'
  // Rows: from. Columns: to. A number is the steps back.
  const TABLE: Record<Phase, readonly (string | number)[]> = {
    legacy: [NONE, FORWARD, REFUSED, REFUSED, REFUSED, REFUSED],
    syncing: [1, NONE, FORWARD, REFUSED, REFUSED, REFUSED],
    shadowing: [2, 1, NONE, FORWARD, REFUSED, REFUSED],
    canary: [3, 2, 1, NONE, FORWARD, REFUSED],
    extracted: [4, 3, 2, 1, NONE, FORWARD],
    retired: [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, NONE],
  }
  const mark = (move: Move) =>
    ({ none: NONE, forward: FORWARD, refused: REFUSED, back: move.kind === 'back' ? move.path.length : 0 })[move.kind]

  it.each(PHASES)('from %s is judged for every phase', from => {
    expect(PHASES.map(to => mark(judgeMove(from, to)))).toEqual(TABLE[from])
  })

  it('back passes every phase between, nearest first', () => {
    expect(judgeMove('extracted', 'syncing')).toEqual({ kind: 'back', path: ['canary', 'shadowing', 'syncing'] })
  })

  it('says why it is refused', () => {
    expect(judgeMove('legacy', 'canary')).toEqual({
      kind: 'refused',
      why: 'the phase after legacy is syncing, not canary',
    })
    expect(judgeMove('retired', 'legacy')).toEqual({ kind: 'refused', why: 'there is no way back from retired' })
  })

  it('invariant 10: whatever steps forward were taken, the way back to legacy is open until retired', () => {
    const wishes = fc.array(fc.constantFrom(...PHASES), { maxLength: 40 })
    fc.assert(
      fc.property(wishes, wished => {
        let at: Phase = 'legacy'
        for (const to of wished) {
          const move = judgeMove(at, to)
          if (move.kind === 'refused') continue
          const path: readonly Phase[] = move.kind === 'none' ? [at] : move.path
          // A move ends where it was meant to, one step of the table at a time.
          expect(path.at(-1)).toBe(to)
          if (move.kind === 'back') {
            path.reduce((from, step) => {
              expect(PHASE_RULES[from].back).toBe(step)
              return step
            }, at)
          }
          at = to
          if (at !== 'retired' && at !== 'legacy') expect(judgeMove(at, 'legacy').kind).toBe('back')
        }
      }),
    )
  })
})
