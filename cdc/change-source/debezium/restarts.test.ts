import { FicusError } from '@ficus/core/errors/ficus-error'
import { expect, it } from 'vitest'
import { StreamEnded } from '../change-source.ts'
import { connectorFailed } from './connector.ts'
import { Restarts } from './restarts.ts'

const MINUTE = 60_000

it('invariant 11: a connector that fails is restarted three times within five minutes, then its failure stays', () => {
  const restarts = new Restarts()
  const failure = connectorFailed('c', 'the task broke')
  const judged = [0, 1, 2, 3].map(minute => restarts.judge(failure, minute * MINUTE))
  expect(judged.slice(0, 3).every(error => error instanceof StreamEnded && error.cause === failure)).toBe(true)
  expect(judged[3]).toBe(failure)
  expect(restarts.judge(failure, 20 * MINUTE)).toBeInstanceOf(StreamEnded)
})

it('does not restart for an event that is too large, which no restart makes smaller', () => {
  const failure = connectorFailed('c', 'RecordTooLargeException: The message is 100 bytes')
  expect(new Restarts().judge(failure, 0)).toBe(failure)
})

it('leaves other errors as they are', () => {
  const away = new FicusError('FICUS_KAFKA_UNREACHABLE', 'away')
  expect(new Restarts().judge(away, 0)).toBe(away)
})
