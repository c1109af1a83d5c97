import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { copySelect } from '../copy/copy-plan.ts'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { filterCondition } from '../mapping/merge-sql.ts'
import { asText, sampleKeys } from './sample.ts'

/** A row as text: column `c0` is the first of the flow's. */
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

/** What it makes of rows that have certain keys. @param keys a query of the source's key columns, in the order of the flow's. */
export async function mappedByKey(
  client: Client,
  { flow, source, target }: MappedTables,
  keys: string,
): Promise<Row[]> {
  const table = quoteIdentifier(flow.from.table)
  const key = flow.key.map(({ from }) => `${table}.${quoteIdentifier(from)}`)
  const mapped = `(${copySelect(flow, source, target)} AND (${key.join(', ')}) IN (${keys})) AS mapped`
  const columns = flow.columns.map(({ to }) => to)
  const { rows } = await client.query<Record<string, string | null>>(asText(columns, mapped))
  return rows
}

type MappedTables = Pick<ShapedFlow, 'flow' | 'source' | 'target'>
