import { expect, it } from 'vitest'
import { FicusError, messageOf, systemCodeOf } from './ficus-error.ts'

it('carries its code’s row of the table', () => {
  const error = new FicusError('FICUS_GATE_RED', 'the data gate is red', { details: { keys: [1] } })
  expect([error.name, error.status, error.retry, error.exitCode]).toEqual(['FicusError', 409, false, 1])
  expect(error.remedy).toContain('Make each red gate green')
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'FICUS_GATE_RED',
    message: 'the data gate is red',
    remedy: error.remedy,
    details: { keys: [1] },
  })
})

it('keeps its cause for the log, out of what users see, and takes a more exact remedy', () => {
  const cause = new Error('connect ECONNREFUSED')
  const error = new FicusError('FICUS_INTERNAL', 'oops', { cause, remedy: 'Do this.' })
  expect(error.cause).toBe(cause)
  expect(error.remedy).toBe('Do this.')
  expect(JSON.stringify(error)).not.toContain('ECONNREFUSED')
})

const refused = (address: string) =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' })

it.each<[unknown, string, string | undefined]>([
  [new Error('plain'), 'plain', undefined],
  [refused('::1'), 'connect ECONNREFUSED ::1', 'ECONNREFUSED'],
  [
    new AggregateError([refused('::1'), refused('127.0.0.1')]),
    'connect ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1',
    'ECONNREFUSED',
  ],
  ['a string', 'a string', undefined],
  [null, 'null', undefined],
  [{ code: 5 }, '[object Object]', undefined],
])('reads %s', (error, message, code) => {
  expect(messageOf(error)).toBe(message)
  expect(systemCodeOf(error)).toBe(code)
})
