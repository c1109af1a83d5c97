import { FicusError } from '@ficus/core/errors/ficus-error'
import pg from 'pg'
import { ProgressMoved } from '../apply/progress.ts'
import { StreamEnded } from '../change-source/change-source.ts'
import { judgeFailure } from '../database/failure.ts'
import { withoutValues } from '../database/without-values.ts'
import type { PipelineOptions } from './pipeline-options.ts'

/** A target that holds rows of its own is never copied to: its start is recorded beforehand (begin-without-copy.ts). */
export function notBegun({ direction, capability }: PipelineOptions): FicusError {
  return new FicusError('FICUS_SYNC_NOT_BEGUN', `nobody recorded where the ${direction} sync of ${capability} starts`)
}

/** Another worker does the work. Whoever gets this tries again. */
export class StandsBy extends Error {
  override readonly name = 'StandsBy'
}

/** Whether trying again without anybody's doing may help. */
export function mayPass(error: unknown): boolean {
  if (error instanceof StandsBy || error instanceof StreamEnded || error instanceof ProgressMoved) return true
  return judgeFailure(error) === 'passing'
}

/** An engine may wrap why its stream ended, so that it is tried again. */
export function asFicusError(error: unknown, what: string): FicusError {
  if (error instanceof FicusError) return error
  if (error instanceof StreamEnded && error.cause instanceof FicusError) return error.cause
  // What passes was said by a database, or is how a stream ends; anything else without a name of its own is ours to mend.
  const isFamiliar = error instanceof pg.DatabaseError || error instanceof StreamEnded || error instanceof ProgressMoved
  const code = isFamiliar && mayPass(error) ? 'FICUS_DATABASE_BUSY' : 'FICUS_INTERNAL'
  return new FicusError(code, `${what}: ${withoutValues(error)}`, { cause: error })
}
