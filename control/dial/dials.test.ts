import { PHASES } from '@ficus/core/phases/phase'
import { expect, it } from 'vitest'
import { dialEffects } from './dials.ts'

it('invariant 6: a dial never takes effect past what the phase allows', () => {
  const effective = PHASES.map(phase => {
    const { read, shadow } = dialEffects(phase, { read: 25, shadow: 80 })
    return [phase, read.effective, shadow.effective]
  })
  expect(effective).toEqual([
    ['legacy', 0, 0],
    ['syncing', 0, 0],
    ['shadowing', 0, 80],
    ['canary', 25, 80],
    ['extracted', 100, 0],
    ['retired', 100, 0],
  ])
})

it('says why a dial takes no effect, and nothing where it does', () => {
  expect(dialEffects('syncing', { read: 25, shadow: 0 })).toEqual({
    read: { set: 25, effective: 0, why: 'in syncing all reads go to the monolith' },
    shadow: { set: 0, effective: 0, why: null },
  })
  expect(dialEffects('canary', { read: 25, shadow: null }).read.why).toBeNull()
})
