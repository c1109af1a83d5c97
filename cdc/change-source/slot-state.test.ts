import { expect, it } from 'vitest'
import { slotInvalidated } from './slot-state.ts'

const AGAIN = 'Roll the capability back to legacy and advance it again, which copies anew.'

// Each that pg_replication_slots.invalidation_reason may hold. The first two are brought about by the tests of real slots too.
it.each([
  ['wal_removed', /Raise max_slot_wal_keep_size/],
  ['idle_timeout', /Raise idle_replication_slot_timeout/],
  ['rows_removed', /hot_standby_feedback = on/],
  ['wal_level_insufficient', /wal_level = logical/],
])(
  'invariant 13: a slot that the server gave up (%s): says what keeps it from happening again',
  (reason, prevention) => {
    const { code, message, remedy, details } = slotInvalidated({ url: '', name: 'the source' }, 'mine', reason)
    expect([code, message]).toEqual([
      'FICUS_SLOT_LOST',
      `slot mine of the source is lost: the server invalidated it (${reason})`,
    ])
    expect(remedy).toMatch(prevention)
    expect(remedy.startsWith(`${AGAIN} `)).toBe(true)
    expect(details).toEqual({ slot: 'mine', reason })
  },
)

it('a reason that a later PostgreSQL may give: names it, and says how to go on', () => {
  const { message, remedy } = slotInvalidated({ url: '', name: 'the source' }, 'mine', 'another')
  expect(message).toContain('(another)')
  expect(remedy).toBe(AGAIN)
})
