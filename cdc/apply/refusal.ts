import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { withoutValues } from '../database/without-values.ts'
import type { DescribedChange } from './describe-change.ts'

/** `id = 42, region = north` */
export function showKey(key: DescribedChange['key']): string {
  return Object.entries(key)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ')
}

/**
 * The error of the one change that the target refuses and that cannot be parked: which table, which key, why, and the
 * change as an event.
 * @param why it cannot be parked, and what to do then, where the error's own remedy does not say it.
 */
export function changeRefused(
  change: DescribedChange,
  cause: unknown,
  why?: { readonly message: string; readonly remedy: string },
): FicusError {
  const { table, targets, kind, key, event } = change
  const reason = messageOf(cause)
  return new FicusError(
    'FICUS_CHANGE_REFUSED',
    `${targets.join(', ')} cannot take the ${kind} of ${table} (${showKey(key)}): ${withoutValues(cause)}${why === undefined ? '' : `; ${why.message}`}`,
    {
      cause,
      details: { table, targets, kind, key, reason, sqlState: systemCodeOf(cause), event },
      ...(why === undefined ? {} : { remedy: why.remedy }),
    },
  )
}

/**
 * The error of a transaction of several batches that the target refuses only at its commit: its changes are not at hand any
 * more, to be tried one by one.
 * @param lsn where it ends in the source's log.
 */
export function commitRefused(cause: unknown, lsn: string): FicusError {
  return new FicusError(
    'FICUS_CHANGE_REFUSED',
    `the target refuses the commit of a transaction of several batches, which ends at ${lsn}: ${withoutValues(cause)}`,
    {
      cause,
      details: { reason: messageOf(cause), sqlState: systemCodeOf(cause) },
      remedy:
        'Mend in the target what the deferred constraint misses; or make it NOT DEFERRABLE until sync is past, ' +
        'so that each row is checked by itself and those that it refuses are parked.',
    },
  )
}
