import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { type Flow, withEach } from '../mapping/flow.ts'
import { filterCondition, mappedSelect, sourceSideType } from '../mapping/merge-sql.ts'
import { readsClause } from '../mirror/reads-sql.ts'
import { asText, sampleKeys } from './sample.ts'

/** A row as text: column `c0` is the first of the flow's; after them may stand the key of the row that it was made of. */
export type Row = Readonly<Record<string, string | null>>

/**
 * What a mapping makes of a sample of its source's rows, mapped there.
 * @param size rows of each kind of sample.ts.
 */
export async function mappedSample(client: Client, shaped: MappedTables, size: number): Promise<Row[]> {
  const { flow, source } = shaped
  const key = flow.key.map(({ from }) => from)
  return mappedByKey(client, shaped, sampleKeys(flow.from, key, filterCondition(flow), size, source.estimatedRows))
}

/** The names under which a row that was mapped carries the key of the row that it was made of. */
export function keysCarried({ key }: Flow): string[] {
  return key.map((_, index) => `ficus key ${index}`)
}

/** What it makes of rows that have certain keys, each with that key. @param keys a query of the source's key columns, in the order of the flow's. */
export async function mappedByKey(
  client: Client,
  { flow, target }: Omit<MappedTables, 'source'>,
  keys: string,
): Promise<Row[]> {
  const table = quoteIdentifier(flow.from.table)
  const key = flow.key.map(({ from }) => `${table}.${quoteIdentifier(from)}`)
  const carried = keysCarried(flow)
  const itsKey = key.map((column, index) => `${column} AS ${quoteIdentifier(carried[index] ?? '')}`)
  const from = withEach(flow, `${quoteTable(flow.from)} AS ${table}`)
  const select = `${readsClause(flow)}${mappedSelect(flow, target, sourceSideType)}, ${itsKey.join(', ')}`
  const mapped = `(${select} FROM ${from} WHERE ${filterCondition(flow)} AND (${key.join(', ')}) IN (${keys})) AS mapped`
  const columns = [...flow.columns.map(({ to }) => to), ...carried]
  const { rows } = await client.query<Record<string, string | null>>(asText(columns, mapped))
  return rows
}

type MappedTables = Pick<ShapedFlow, 'flow' | 'source' | 'target'>
