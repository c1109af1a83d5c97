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
export async function mappedSample(
  client: Client,
  { flow, source, target }: Pick<ShapedFlow, 'flow' | 'source' | 'target'>,
  size: number,
): Promise<Row[]> {
  const key = flow.key.map(({ from }) => from)
  const keys = sampleKeys(flow.from, key, filterCondition(flow), size, source.estimatedRows)
  const table = quoteIdentifier(flow.from.table)
  const sampled = `(${key.map(name => `${table}.${quoteIdentifier(name)}`).join(', ')}) IN (${keys})`
  const mapped = `(${copySelect(flow, source, target)} AND ${sampled}) AS mapped`
  const columns = flow.columns.map(({ to }) => to)
  const { rows } = await client.query<Record<string, string | null>>(asText(columns, mapped))
  return rows
}
