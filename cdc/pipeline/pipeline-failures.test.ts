import { FicusError } from '@ficus/core/errors/ficus-error'
import { expect, it } from 'vitest'
import { ProgressMoved } from '../apply/progress.ts'
import { StreamEnded } from '../change-source/change-source.ts'
import { asFicusError, mayPass } from './pipeline-failures.ts'

it('gives a stream that has to be opened anew no name that asks for a mend', () => {
  for (const error of [new StreamEnded('a column’s type became wider'), new ProgressMoved('it was removed')]) {
    expect(mayPass(error)).toBe(true)
    expect(asFicusError(error, 'sync')).toMatchObject({
      code: 'FICUS_DATABASE_BUSY',
      retry: true,
      message: `sync: ${error.message}`,
    })
  }
  const cause = new FicusError('FICUS_KAFKA_UNREACHABLE', 'Kafka is away')
  expect(asFicusError(new StreamEnded('it ended', { cause }), 'sync')).toBe(cause)
  expect(asFicusError(new TypeError('x is not a function'), 'sync')).toMatchObject({ code: 'FICUS_INTERNAL' })
})
