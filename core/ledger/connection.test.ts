import { describe, expect, it } from 'vitest'
import { databaseError } from './connection.ts'

const URL = 'postgres://somebody:secret@127.0.0.1:5432/shop'
const withCode = (message: string, code: string) => Object.assign(new Error(message), { code })

describe('a failure of a database', () => {
  it.each([
    ['FICUS_DATABASE_UNREACHABLE', new Error('Connection terminated unexpectedly')],
    ['FICUS_DATABASE_UNREACHABLE', new Error('Client has encountered a connection error and is not queryable')],
    ['FICUS_DATABASE_UNREACHABLE', withCode('connect', 'ECONNREFUSED')],
    ['FICUS_DATABASE_UNREACHABLE', withCode('the database system is shutting down', '57P03')],
    ['FICUS_DATABASE_REFUSED', withCode('password authentication failed', '28P01')],
    ['FICUS_DATABASE_REFUSED', new Error('SASL: client password must be a string')],
  ])('has a name, a code (%s), and no password: %s', (code, error) => {
    expect(databaseError(error, 'the ledger', URL)).toMatchObject({
      code,
      message: expect.stringMatching(/^the ledger at postgres:\/\/somebody:\*\*\*@127\.0\.0\.1:5432\/shop /),
      cause: error,
    })
  })

  it('is none where another part speaks of what was closed, or the server of a row', () => {
    class StreamEnded extends Error {
      override readonly name = 'StreamEnded'
    }
    for (const error of [
      new StreamEnded('its connector timed out: socket closed'),
      withCode('duplicate key', '23505'),
    ]) {
      expect(databaseError(error, 'the ledger', URL)).toBe(error)
    }
  })
})
