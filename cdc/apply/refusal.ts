import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { ChangeEvent, EventRow } from '../change-event/change-event.ts'
import { viewChange } from '../change-event/view-change.ts'
import type { Change } from '../change-source/change-source.ts'
import type { Staging } from './staging.ts'

/**
 * The error of the one change that the target refuses: which table, which key, why, and the change as an event. The
 * transaction that `client` is in must still be usable.
 */
export async function changeRefused(
  client: Client,
  change: Change,
  data: Buffer,
  stagings: readonly Staging[],
  cause: unknown,
): Promise<FicusError> {
  const { relation, kind } = change
  const targets = stagings.flatMap(staging => staging.flows.map(({ flow }) => showTable(flow.to)))
  const event = await viewChange(client, change, data).catch(() => null)
  const keyNames = stagings.flatMap(({ keyIndexes }) =>
    keyIndexes.flatMap(index => relation.columns[index]?.name ?? []),
  )
  const key = event === null ? {} : keyOf(event, keyNames)
  const shownKey = Object.entries(key).map(([name, value]) => `${name} = ${value}`)
  const reason = messageOf(cause)
  return new FicusError(
    'FICUS_CHANGE_REFUSED',
    `${targets.join(', ')} cannot take the ${kind} of ${showTable(relation.table)} (${shownKey.join(', ')}): ${reason}`,
    {
      cause,
      details: { table: showTable(relation.table), targets, kind, key, reason, sqlState: systemCodeOf(cause), event },
    },
  )
}

function keyOf(event: ChangeEvent, names: readonly string[]): EventRow {
  const row = event.after ?? event.before ?? {}
  return Object.fromEntries(names.map(name => [name, row[name] ?? null]))
}
