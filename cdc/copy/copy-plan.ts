import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { type ComputedFlow, functionInput, isComputed } from '../mapping/computed-rows.ts'
import { type Flow, withEach } from '../mapping/flow.ts'
import { columnOf, filterCondition, mappedSelect, sourceSideType } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { readsClause } from '../mirror/reads-sql.ts'

/** One `COPY` out of the source and into the target. */
export interface CopyTask {
  readonly flow: Flow
  /** Its function, the columns that it gets, and the query that stands in `out` then, instead of a `COPY`. */
  readonly computed: { readonly flow: ComputedFlow; readonly columns: readonly string[] } | null
  readonly out: string
  readonly in: string
  /** Rows, as the planner's statistics tell. */
  readonly estimatedRows: number
}

/** A range of blocks that one COPY reads: 8 MB, so that progress shows and workers end about together. */
const BLOCKS_PER_TASK = 1_024

/**
 * The tasks that copy one flow: the source table cut into ranges of blocks (PostgreSQL scans a range of ctid directly, of each partition).
 * The ranges together are the whole table as of the snapshot; the last one has no end.
 * @param whole in one COPY, whose foreign keys are checked when all rows are there.
 */
export function copyTasks(flow: Flow, source: TableShape, target: TableShape, whole: boolean): CopyTask[] {
  const computed = isComputed(flow) ? { flow, columns: storedColumns(source) } : null
  const format = computed === null && flow.columns.every(({ to }) => columnOf(target, to).binary) ? 'binary' : 'text'
  const into = `COPY ${quoteTable(flow.to)} (${flow.columns.map(({ to }) => quoteIdentifier(to)).join(', ')}) FROM STDIN (FORMAT ${format})`
  const ctid = `${quoteIdentifier(flow.from.table)}.ctid`
  const ranges = source.pages !== null && !whole ? blockRanges(ctid, source.pages, BLOCKS_PER_TASK) : ['true']
  const select = copySelect(flow, source, target)
  return ranges.map(range => ({
    flow,
    computed,
    out: computed === null ? `COPY (${select} AND ${range}) TO STDOUT (FORMAT ${format})` : `${select} AND ${range}`,
    in: into,
    estimatedRows: source.estimatedRows / ranges.length,
  }))
}

/** The mapped rows of the whole source table, as the source computes them; or what the flow's function makes them of. */
export function copySelect(flow: Flow, source: TableShape, target: TableShape): string {
  const from = withEach(flow, `${quoteTable(flow.from)} AS ${quoteIdentifier(flow.from.table)}`)
  const rows = `FROM ${from} WHERE ${filterCondition(flow)}`
  if (isComputed(flow)) return `SELECT ${functionInput(flow, target, storedColumns(source))} ${rows}`
  return `${readsClause(flow)}${mappedSelect(flow, target, sourceSideType)} ${rows}`
}

/** The columns that a function gets: PostgreSQL leaves generated ones out of the stream. */
export function storedColumns(source: TableShape): string[] {
  return source.columns.filter(column => !column.generated).map(({ name }) => name)
}

/** Conditions on the place of a row, of `blocks` heap blocks each, that together are a table of `pages`, or more by now. */
export function blockRanges(ctid: string, pages: number, blocks: number): string[] {
  const count = Math.max(1, Math.ceil(pages / blocks))
  return Array.from({ length: count }, (_, index) => {
    const from = `${ctid} >= '(${index * blocks},0)'::tid`
    const until = `${ctid} < '(${(index + 1) * blocks},0)'::tid`
    return index === count - 1 ? from : `${from} AND ${until}`
  })
}
