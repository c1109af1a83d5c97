import { systemCodeOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Relation } from '../change-source/change-source.ts'
import { encodeTextTuple } from '../change-source/tuple.ts'
import { targetSide } from '../diff/diff-sql.ts'
import { type Flow, type KeyColumn, keyExpressions } from '../mapping/flow.ts'
import type { ColumnShape, TableShape } from '../mapping/table-shape.ts'
import type { ShapedFlow } from './first-copy.ts'
import { asBatch, type RowChunk, relationRead } from './row-chunk.ts'

/**
 * Whether rows that the source no longer has can be told from the target's key, and deleted by it. All that is filled from one
 * table gets each of its changes, so all have to know its rows by the same columns.
 */
export function canSweep({ flow, source, target }: ShapedFlow, carried: readonly Flow[]): boolean {
  const columns = columnsOf(flow)
  const together = carried.filter(({ from }) => showTable(from) === showTable(flow.from))
  const isTold = ({ from, to, computed }: KeyColumn) => {
    const [one, other] = [columnNamed(source, from), columnNamed(target, to)]
    return !computed && one !== undefined && other !== undefined && comesBack(one, other)
  }
  return flow.key.every(isTold) && together.every(other => columnsOf(other) === columns)
}

function columnNamed({ columns }: TableShape, name: string): ColumnShape | undefined {
  return columns.find(column => column.name === name)
}

const INTEGERS: readonly string[] = ['smallint', 'integer', 'bigint']
/** They hold any value as it is written, and any type reads what it wrote. */
const TEXTS: readonly string[] = ['text', 'character varying']

/**
 * Whether each value of `from` comes back as itself from what `to` makes of it, and `to` takes none for another. A uuid is none
 * of the text that it was made of, nor 5.00 an integer, and whatever is not found in the source is deleted.
 */
function comesBack(from: ColumnShape, to: ColumnShape): boolean {
  if (!to.deterministic) return false
  if (from.wireType === to.wireType && from.fullType === to.fullType) return true
  const isUnlimited = to.fullType === to.wireType
  const both = (types: readonly string[]) => types.includes(from.wireType) && types.includes(to.wireType)
  return isUnlimited && (TEXTS.includes(to.wireType) || from.wireType === to.wireType || both(INTEGERS))
}

function columnsOf({ key }: Flow): string {
  return JSON.stringify(key.map(({ from }) => from).toSorted())
}

/**
 * Of the target's rows behind a key, those that the source does not have, as deletions that the applier takes. Between two
 * batches, in a snapshot that sees every transaction that was applied: what is not there then was deleted, and if it comes again
 * the stream brings it.
 *
 * @param source within a transaction.
 * @param after the key, as text; null for the first rows.
 * @param relationOf as in row-chunk.ts.
 */
export async function readGone(
  sessions: { readonly source: Client; readonly target: Client },
  { flow, target: shape }: ShapedFlow,
  carried: readonly Flow[],
  after: readonly string[] | null,
  maxRows: number,
  relationOf: (relation: Relation) => Relation,
): Promise<RowChunk> {
  const keys = await readTargetKeys(sessions.target, { flow, target: shape }, after, maxRows)
  const { relation, columns } = await relationRead(sessions.source, flow, carried)
  const types = flow.key.map(({ from }) => columns.find(({ name }) => name === from)?.type ?? 'text')
  const gone = await readMissing(sessions.source, flow, types, keys)
  const tuples = gone.map(key => {
    const textOf = (name: string) => key[flow.key.findIndex(({ from }) => from === name)] ?? null
    return encodeTextTuple(columns.map(({ name }) => textOf(name)))
  })
  return {
    batch: asBatch(relationOf(relation), tuples, 'delete'),
    last: keys.at(-1) ?? null,
    whole: keys.length < maxRows,
  }
}

/** Keys of the flow's own rows of the target, in their order, as text; each once, where a source row has several there. */
async function readTargetKeys(
  client: Client,
  { flow, target }: Pick<ShapedFlow, 'flow' | 'target'>,
  after: readonly string[] | null,
  limit: number,
): Promise<string[][]> {
  const { each, ...single } = { ...flow, columns: keyExpressions(flow) }
  const { reads, from, where, keys, keyColumns } = targetSide(single, target)
  const columns = keyColumns.map(({ column }) => column).join(', ')
  const given = keyColumns.map(({ type }, index) => `$${index + 1}::text::${type}`).join(', ')
  const behind = after === null ? 'true' : `(${columns}) > (${given})`
  const { rows } = await client.query<{ key: string[] }>(
    `${reads}SELECT ARRAY[${keys.join(', ')}] AS key FROM ${from} WHERE ${where} AND ${behind}
     ${each === undefined ? '' : `GROUP BY ${columns}`} ORDER BY ${columns} LIMIT ${limit}`,
    after === null ? [] : [...after],
  )
  return rows.map(({ key }) => key)
}

/** Those of the keys that no row of the source has. */
async function readMissing(
  client: Client,
  flow: Flow,
  types: readonly string[],
  keys: readonly string[][],
): Promise<string[][]> {
  const arrays = flow.key.map((_, index) => keys.map(key => key[index]))
  const wanted = flow.key.map((_, index) => `k${index}`)
  const missing = async (same: readonly string[]) => {
    const { rows } = await client.query<{ place: string }>(
      `SELECT place FROM unnest(${arrays.map((_, index) => `$${index + 1}::text[]`).join(', ')})
         WITH ORDINALITY AS wanted (${wanted.join(', ')}, place)
       WHERE NOT EXISTS (SELECT FROM ${quoteTable(flow.from)} AS ficus_row WHERE ${same.join(' AND ')})`,
      arrays,
    )
    return rows.map(({ place }) => keys[Number(place) - 1] ?? [])
  }
  const own = flow.key.map(({ from }) => `ficus_row.${quoteIdentifier(from)}`)
  await client.query('SAVEPOINT ficus_keys')
  try {
    return await missing(own.map((column, index) => `${column} = wanted.k${index}::${types[index]}`))
  } catch (error) {
    // A key of the target that is none in the source's narrower type: compared as text it simply matches nothing.
    if (!systemCodeOf(error)?.startsWith('22')) throw error
    await client.query('ROLLBACK TO ficus_keys')
    return missing(own.map((column, index) => `${column}::text = wanted.k${index}`))
  }
}
