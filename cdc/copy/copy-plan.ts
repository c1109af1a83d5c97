import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { Flow } from '../mapping/flow.ts'
import { assignedType, columnOf, filterCondition, mappedSelect } from '../mapping/merge-sql.ts'
import type { ColumnShape, TableShape } from '../mapping/table-shape.ts'
import { readsClause } from '../mirror/reads-sql.ts'

/** One `COPY` out of the source and into the target. */
export interface CopyTask {
  readonly flow: Flow
  readonly out: string
  readonly in: string
  /** Rows, as the planner's statistics tell. */
  readonly estimatedRows: number
}

/** A range of blocks that one COPY reads: 8 MB, so that progress shows and workers end about together. */
const BLOCKS_PER_TASK = 1_024

/**
 * The tasks that copy one flow: the source table cut into ranges of blocks (PostgreSQL scans a range of ctid directly).
 * The ranges together are the whole table as of the snapshot; the last one has no end.
 */
export function copyTasks(flow: Flow, source: TableShape, target: TableShape): CopyTask[] {
  const format = flow.columns.every(({ to }) => columnOf(target, to).binary) ? 'binary' : 'text'
  const into = `COPY ${quoteTable(flow.to)} (${flow.columns.map(({ to }) => quoteIdentifier(to)).join(', ')}) FROM STDIN (FORMAT ${format})`
  const ranges = source.kind === 'table' ? blockRanges(source.pages) : ['true']
  return ranges.map(range => ({
    flow,
    out: `COPY (${copySelect(flow, target)} AND ${range}) TO STDOUT (FORMAT ${format})`,
    in: into,
    estimatedRows: source.estimatedRows / ranges.length,
  }))
}

/** The mapped rows of the whole source table, as the source computes them. */
export function copySelect(flow: Flow, target: TableShape): string {
  return `${readsClause(flow)}${mappedSelect(flow, target, sourceSideType)} FROM ${quoteTable(flow.from)} AS ${quoteIdentifier(flow.from.table)} WHERE ${filterCondition(flow)}`
}

/** The type that a value for `column` has in the source, which need not know the target's own types: then it is text. */
export function sourceSideType(column: ColumnShape): string {
  return column.wireType === column.type ? assignedType(column) : column.wireType
}

function blockRanges(pages: number): string[] {
  const count = Math.max(1, Math.ceil(pages / BLOCKS_PER_TASK))
  return Array.from({ length: count }, (_, index) => {
    const from = `ctid >= '(${index * BLOCKS_PER_TASK},0)'::tid`
    const until = `ctid < '(${(index + 1) * BLOCKS_PER_TASK},0)'::tid`
    return index === count - 1 ? from : `${from} AND ${until}`
  })
}
