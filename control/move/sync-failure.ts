import { ERROR_CODES, type ErrorCode } from '@ficus/core/errors/codes'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { SyncStatus } from '@ficus/core/ledger/records'

/** What a sync process reported of its failure, as the error that it was there. */
export function syncFailure(capability: string, reported: NonNullable<SyncStatus['error']>): FicusError {
  const { code, message, remedy } = reported
  // A sync process of another version may know codes that this command does not.
  if (!isErrorCode(code))
    return new FicusError('FICUS_INTERNAL', `sync of ${capability} failed: ${code}: ${message}`, { remedy })
  return new FicusError(code, `sync of ${capability} failed: ${message}`, { remedy })
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}
