import type { Client } from 'pg'
import { computeNamed } from '../copy/computed-copy.ts'
import { copySelect, storedColumns } from '../copy/copy-plan.ts'
import { copyIn } from '../database/copy-in.ts'
import { judgeFailure } from '../database/failure.ts'
import { withoutValues } from '../database/without-values.ts'
import { asItIs, type ComputedFlow, type ComputedRow, computedData, rowComputer } from './computed-rows.ts'
import { assignedType, mappedSelect, OPERATION } from './merge-sql.ts'
import type { TableShape } from './table-shape.ts'

const LEFT_OUT =
  'gives null for a row, and the mapping has `reverse`, which could not tell that row of the monolith from one that the service has deleted'

/** Rows of the source that a function is tried on. */
const SAMPLE_ROWS = 100

/**
 * Tries a flow's function on some rows of the source, and whether the target can read what it gives.
 * @param computed a temporary table of the target for its rows, quoted; it is filled.
 * @param mayLeaveOut whether a row may have no counterpart.
 * @returns what is wrong with the first row that has something wrong, or null.
 */
export async function tryFunction(
  source: Client,
  target: Client,
  flow: ComputedFlow,
  tables: { readonly from: TableShape; readonly to: TableShape; readonly computed: string },
  mayLeaveOut: boolean,
): Promise<string | null> {
  const compute = rowComputer(flow, storedColumns(tables.from))
  const { rows } = await source.query<(string | null)[]>({
    text: `${copySelect(flow, tables.from, tables.to)} LIMIT ${SAMPLE_ROWS}`,
    rowMode: 'array',
  })
  const computed: ComputedRow[] = []
  for (const input of rows) {
    try {
      const row = computeNamed(flow, compute, input)
      if (row.values !== null) computed.push(row)
      else if (!mayLeaveOut) return LEFT_OUT
    } catch (error) {
      return withoutValues(error)
    }
  }
  const operation = OPERATION.INSERT
  try {
    await copyIn(
      target,
      `COPY ${tables.computed} FROM STDIN (FORMAT text)`,
      computedData(
        computed.map(row => ({ operation, ...row })),
        flow,
      ),
    )
    await target.query(`${mappedSelect(asItIs(flow), tables.to, assignedType)} FROM ${tables.computed}`)
    return null
  } catch (error) {
    if (judgeFailure(error) === 'passing') throw error
    return `the target cannot read what it gives: ${withoutValues(error)}`
  }
}
