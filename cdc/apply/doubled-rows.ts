import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Flow, targetKey } from '../mapping/flow.ts'
import { showKey } from './refusal.ts'

/**
 * Asserts that a mapping with `each` makes no two rows of one key. A merge may not notice: where the first equals the
 * target's row, the second is an update like any other.
 * @param doubled of the flow's statements.
 * @throws FICUS_CHANGE_REFUSED
 */
export async function assertNoneDoubled(client: Client, flow: Flow, doubled: string): Promise<void> {
  const { rows } = await client.query<{ key: (string | null)[] }>(doubled)
  const [first] = rows
  if (first === undefined) return
  const names = targetKey(flow).map(({ to }) => to)
  const key = Object.fromEntries(names.map((name, index) => [name, first.key[index] ?? null]))
  const what = (of: string) =>
    `${flow.path}.each gives two rows of ${showTable(flow.to)} with the same ${of}: each.key has to tell apart what one row of ${showTable(flow.from)} becomes`
  throw new FicusError('FICUS_CHANGE_REFUSED', what(`key (${showKey(key)})`), {
    details: { withoutValues: what(names.join(', ')) },
  })
}
