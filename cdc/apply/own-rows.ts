import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Flow, targetKey } from '../mapping/flow.ts'
import { showKey } from './refusal.ts'

/**
 * Asserts that no row is written which the mapping leaves to the other side: the service may have made one under a key
 * that the monolith had given already.
 * @param others of the flow's statements.
 * @throws FICUS_CHANGE_REFUSED
 */
export async function assertAllOwn(client: Client, flow: Flow, others: string): Promise<void> {
  const { rows } = await client.query<{ key: (string | null)[] }>(others)
  const [first] = rows
  if (first === undefined) return
  const key = Object.fromEntries(targetKey(flow).map(({ to }, index) => [to, first.key[index] ?? null]))
  const setting = flow.back ? 'within' : 'where'
  const what = `the row of ${showTable(flow.to)} with this key is not one of those that ${flow.path}.${setting} lets in, and is left as it is`
  throw new FicusError('FICUS_CHANGE_REFUSED', `${what} (${showKey(key)})`, { details: { withoutValues: what } })
}
