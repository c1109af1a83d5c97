import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { binaryRows, textRows } from '../apply/staging-rows.ts'
import type { Change, Relation } from '../change-source/change-source.ts'
import { KIND, locateColumns } from '../change-source/tuple.ts'
import { copyIn } from '../database/copy-in.ts'
import { OPERATION_COLUMN } from '../mapping/merge-sql.ts'
import { type ChangeEvent, type EventRow, UNAVAILABLE_VALUE } from './change-event.ts'

const OPERATIONS = { insert: 'c', update: 'u', delete: 'd', truncate: 't' } as const
const VIEW = 'ficus_view'

/**
 * A raw change as an event. A server turns the values into text, since only it knows all types.
 * @param client in a transaction, which gets a temporary table.
 */
export async function viewChange(client: Client, change: Change, data: Buffer): Promise<ChangeEvent> {
  const { relation, kind } = change
  return {
    op: OPERATIONS[kind],
    before: change.oldTuple < 0 ? null : await readTuple(client, relation, data, change.oldTuple, kind === 'delete'),
    after: change.newTuple < 0 ? null : await readTuple(client, relation, data, change.newTuple, false),
    source: { connector: 'postgresql', ...relation.table },
  }
}

/** @param identityOnly whether columns that are no part of the identity were left out of the tuple. */
async function readTuple(
  client: Client,
  relation: Relation,
  data: Buffer,
  offset: number,
  identityOnly: boolean,
): Promise<EventRow> {
  const starts: number[] = []
  locateColumns(data, offset, starts)
  const columns = relation.columns.map(column => `${quoteIdentifier(column.name)} ${column.type}`)
  await client.query(`CREATE TEMPORARY TABLE ${VIEW} (${[`${OPERATION_COLUMN} int2`, ...columns].join(', ')})`)
  const encode = relation.format === 'binary' ? binaryRows : textRows
  const indexes = relation.columns.map((_, index) => index)
  await copyIn(
    client,
    `COPY ${VIEW} FROM STDIN (FORMAT ${relation.format})`,
    encode(data, [{ operation: 0, starts }], indexes),
  )
  const texts = relation.columns.map(column => `${quoteIdentifier(column.name)}::text`)
  const { rows } = await client.query<(string | null)[]>({
    text: `SELECT ${texts.join(', ')} FROM ${VIEW}`,
    rowMode: 'array',
  })
  await client.query(`DROP TABLE ${VIEW}`)
  return Object.fromEntries(
    relation.columns.flatMap(({ name, identity }, index) => {
      if (identityOnly && !identity) return []
      const isSent = data[starts[index] ?? -1] !== KIND.UNCHANGED
      return [[name, isSent ? (rows[0]?.[index] ?? null) : UNAVAILABLE_VALUE]]
    }),
  )
}
