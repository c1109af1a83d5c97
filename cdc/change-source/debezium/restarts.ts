import { FicusError } from '@ficus/core/errors/ficus-error'
import { StreamEnded } from '../change-source.ts'
import { isTooLarge } from './connector.ts'

/** A connector that failed is restarted so many times within this time; then somebody has to look. */
const RESTARTS = 3
const RESTARTS_WITHIN_MS = 5 * 60_000

/** A failed connector is worth some restarts, each of which begins with `prepare`; then its failure is final. */
export class Restarts {
  #failures: number[] = []

  /**
   * @param now when it failed, ms of any clock.
   * @returns StreamEnded where it is to be tried again; otherwise the error itself.
   */
  judge(error: unknown, now: number): Error {
    if (!(error instanceof FicusError)) return error instanceof Error ? error : new Error(String(error))
    if (error.code !== 'FICUS_CONNECTOR_FAILED') return error
    this.#failures = [...this.#failures.filter(at => now - at < RESTARTS_WITHIN_MS), now]
    const isFinal = this.#failures.length > RESTARTS || isTooLarge(error.message)
    return isFinal ? error : new StreamEnded(error.message, { cause: error })
  }
}
