import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Change } from '../change-source/change-source.ts'
import { locateColumns } from '../change-source/tuple.ts'
import type { Staging } from './staging.ts'

/**
 * The error of the one change that the target refuses: which table, which key, why. The transaction that `client` is in
 * must still be usable.
 */
export async function changeRefused(
  client: Client,
  change: Change,
  data: Buffer,
  stagings: readonly Staging[],
  cause: unknown,
): Promise<FicusError> {
  const source = showTable(change.relation.table)
  const targets = stagings.flatMap(staging => staging.flows.map(({ flow }) => showTable(flow.to)))
  const key = await readKey(client, change, data, stagings[0]).catch(() => null)
  const shownKey =
    key === null
      ? ''
      : ` (${Object.entries(key)
          .map(([name, value]) => `${name} = ${value}`)
          .join(', ')})`
  return new FicusError(
    'FICUS_CHANGE_REFUSED',
    `${targets.join(', ')} cannot take the ${change.kind} of ${source}${shownKey}: ${messageOf(cause)}`,
    {
      cause,
      details: {
        table: source,
        targets,
        kind: change.kind,
        key,
        reason: messageOf(cause),
        sqlState: systemCodeOf(cause),
      },
    },
  )
}

/** The key's values as text. They are staged once more, so that the server reads them, whatever their types. */
async function readKey(
  client: Client,
  change: Change,
  data: Buffer,
  staging: Staging | undefined,
): Promise<Record<string, string> | null> {
  const tuple = change.newTuple < 0 ? change.oldTuple : change.newTuple
  if (staging === undefined || tuple < 0) return null
  const starts: number[] = []
  locateColumns(data, tuple, starts)
  const keys = staging.keyIndexes.flatMap(index => staging.relation.columns[index]?.name ?? [])
  await client.query(`TRUNCATE ${staging.table}`)
  await staging.fill(client, data, [{ operation: 0, starts }])
  const { rows } = await client.query<Record<string, string>>(
    `SELECT ${keys.map(name => `${quoteIdentifier(name)}::text`).join(', ')} FROM ${staging.table} LIMIT 1`,
  )
  return rows[0] ?? null
}
