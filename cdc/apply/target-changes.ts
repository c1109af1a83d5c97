import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { StreamEnded } from '../change-source/change-source.ts'
import { readTableShapes, type TableShape } from '../mapping/table-shape.ts'
import type { TargetedFlow } from './staging.ts'

/**
 * Whether a target table is no longer what the statements were made for. Then a refusal says nothing about the change
 * that was refused: the session begins anew with the table as it is, which either goes on or says what does not fit.
 * @param client a session with the target, in a transaction that is not aborted.
 */
export async function targetChange(client: Client, flows: readonly TargetedFlow[]): Promise<StreamEnded | null> {
  const shapeOf = await readTableShapes(
    client,
    flows.map(({ target }) => target.name),
  )
  for (const { target } of flows) {
    const now = shapeOf(target.name)
    if (now === null || essence(now) !== essence(target)) {
      return new StreamEnded(`${showTable(target.name)} of the target was altered meanwhile`)
    }
  }
  return null
}

function essence({ columns, uniqueKeys }: TableShape): string {
  return JSON.stringify([
    columns.map(({ name, fullType, notNull, hasDefault, generated, identityAlways }) => [
      name,
      fullType,
      notNull,
      hasDefault,
      generated,
      identityAlways,
    ]),
    uniqueKeys,
  ])
}
