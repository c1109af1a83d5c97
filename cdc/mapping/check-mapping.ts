import type { Client } from 'pg'
import { asRead, checkReads } from '../mirror/check-reads.ts'
import { withColumns } from '../mirror/resolve-reads.ts'
import { ExpressionCheck, type MappingSql } from './check-expressions.ts'
import { checkSourceRows, checkTargetRows } from './check-rows.ts'
import { askablePart, checkTables } from './check-tables.ts'
import { type Direction, flowsOf, type Sync, settingOf } from './flow.ts'
import { type MappingProblem, mappingInvalid } from './parse-sync.ts'
import { readTableShapes } from './table-shape.ts'

export interface MappingReport {
  readonly problems: readonly MappingProblem[]
  /** Of the mappings whose tables and columns are there. */
  readonly sql: readonly MappingSql[]
}

/**
 * Checks a mapping against both live schemas, and has both servers parse every expression and statement it becomes.
 * Writes nothing but a temporary table.
 *
 * @param source a session with the database that `direction` reads from.
 * @param target a session with the one it writes to.
 */
export async function checkMapping(
  source: Client,
  target: Client,
  sync: Sync,
  direction: Direction,
): Promise<MappingReport> {
  const problems: MappingProblem[] = []
  const sql: MappingSql[] = []
  const reversed = direction === 'forward' ? flowsOf(sync, 'reverse').map(({ path }) => path) : []
  const flows = flowsOf(sync, direction)
  const sourceOf = await readTableShapes(
    source,
    flows.flatMap(({ from, reads }) => [from, ...reads.map(({ table }) => table)]),
  )
  const targetOf = await readTableShapes(
    target,
    flows.map(({ to }) => to),
  )
  for (const flow of flows) {
    const from = sourceOf(flow.from)
    const to = targetOf(flow.to)
    const reads = flow.reads.map(({ table }) => sourceOf(table))
    const setting = settingOf(flow, direction)
    const ofReads = from === null ? [] : checkReads(flow, from, reads)
    const found = [...checkTables(flow, from, to, setting), ...ofReads]
    if (from !== null) found.push(...(await checkSourceRows(source, flow, from)))
    for (const [index, read] of flow.reads.entries()) {
      const shape = reads[index]
      if (shape != null) found.push(...(await checkSourceRows(source, asRead(flow, read), shape)))
    }
    if (to !== null) found.push(...(await checkTargetRows(target, flow, to)))
    problems.push(...found)
    if (from === null || to === null || ofReads.length > 0) continue
    const asked = askablePart(flow, from, to)
    if (asked === null) continue
    const shapes = reads.filter(shape => shape !== null)
    const shaped = { flow: withColumns(asked, shapes), source: from, target: to, reads: shapes }
    const check = new ExpressionCheck(source, target, shaped, setting, reversed.includes(flow.path))
    problems.push(...(await check.problems(found.length === 0)))
    if (found.length === 0) sql.push(check.sql())
  }
  return { problems, sql }
}

/** @throws FICUS_MAPPING_INVALID with all problems. */
export async function assertMappingFits(
  source: Client,
  target: Client,
  sync: Sync,
  direction: Direction,
): Promise<void> {
  const { problems } = await checkMapping(source, target, sync, direction)
  if (problems.length > 0) throw mappingInvalid('the mapping', problems)
}
