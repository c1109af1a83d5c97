import { expect, it } from 'vitest'
import { syncFailure } from './sync-failure.ts'

it('keeps the code, the message and the remedy that sync reported', () => {
  const reported = { code: 'FICUS_SLOT_LOST', message: 'slot ficus_notes is lost', remedy: 'copy anew' }
  const { code, message, remedy, exitCode } = syncFailure('notes', reported)
  expect([code, message, remedy, exitCode]).toEqual([
    'FICUS_SLOT_LOST',
    'sync of notes failed: slot ficus_notes is lost',
    'copy anew',
    3,
  ])
})

it('tells a code of another version in words', () => {
  const error = syncFailure('notes', { code: 'FICUS_NEW', message: 'm', remedy: 'r' })
  expect([error.code, error.message]).toEqual(['FICUS_INTERNAL', 'sync of notes failed: FICUS_NEW: m'])
})
