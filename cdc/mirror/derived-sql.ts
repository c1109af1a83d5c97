import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { Flow } from '../mapping/flow.ts'
import { assignedType, filterCondition, mappedKey, mappedSelect, mergeMapped } from '../mapping/merge-sql.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { othersWritten, removedRows } from '../mapping/within.ts'
import { matchCondition, readsClause } from './reads-sql.ts'

/** The tables that stand for those of the source in the target database, quoted. */
export interface Stand {
  /** For the flow's own table. */
  readonly from: string
  /** For each table read, in the order of the flow's `reads`. */
  readonly reads: readonly string[]
  /** Holds the keys of the flow's own rows whose target rows may have changed, under the source's names. */
  readonly affected: string
}

/** Where a change was staged, and how its table's rows are told apart. */
export interface Staged {
  /** The staging table, quoted. */
  readonly table: string
  readonly key: readonly string[]
  /** How many rows are staged; nothing else tells the planner. */
  readonly rows: number
}

/** The statements that bring the target rows of affected keys to what the mapping makes of the mirrors. */
export interface DerivedStatements {
  /** Deletes those whose source row is gone, or left out by the filter. */
  readonly remove: string
  /** Writes the others where they differ. */
  readonly merge: string
  /** Finds a row that would be written and is not the flow's own; null where all are. */
  readonly others: string | null
}

export function derivedStatements(flow: Flow, target: TableShape, stand: Stand): DerivedStatements {
  const alias = quoteIdentifier(flow.from.table)
  const keys = keyColumns(flow)
  const reads = readsClause(flow, read => stand.reads[flow.reads.indexOf(read)] ?? quoteTable(read.table))
  const rows = `FROM ${stand.from} AS ${alias} WHERE (${keys.map(key => `${alias}.${key}`).join(', ')}) IN (SELECT ${keys.join(', ')} FROM ${stand.affected}) AND ${filterCondition(flow)}`
  const targetKeys = mappedKey(flow, target)
  const match = flow.key.map(({ to }) => `t.${quoteIdentifier(to)} = s.${quoteIdentifier(to)}`).join(' AND ')
  const gone = `${reads}SELECT ${targetKeys} FROM ${stand.affected} AS ${alias} EXCEPT SELECT ${targetKeys} ${rows}`
  return {
    remove: removedRows(flow, gone, match),
    merge: mergeMapped(flow, target, `${reads}${mappedSelect(flow, target, assignedType)} ${rows}`),
    others: othersWritten(flow, `${reads}SELECT ${targetKeys} ${rows}`, match),
  }
}

/** The keys of the flow's own rows that are staged, of those that its mirror holds now. */
export function affectedByOwn(flow: Flow, stand: Stand, staged: Staged | null): string {
  const own = staged === null ? '' : ` JOIN ${rowsOf(staged)} AS s ON ${sameKey(staged, 'f')}`
  return `${insertAffected(flow, stand)} FROM ${stand.from} AS f${own}`
}

/**
 * The keys of the flow's own rows to which rows of a table read belong, as the mirrors are now: before the change is
 * merged those that it takes away from, after it those that it adds to.
 * @param index of the table in the flow's `reads`.
 * @param staged null for all of its rows.
 */
export function affectedByRead(flow: Flow, stand: Stand, index: number, staged: Staged | null): string[] {
  const of = staged === null ? '' : ` JOIN ${rowsOf(staged)} AS s ON ${sameKey(staged, 'r')}`
  return (flow.reads[index]?.matches ?? []).map(
    match =>
      `${insertAffected(flow, stand)} FROM ${stand.reads[index]} AS r${of} JOIN ${stand.from} AS f ON ${matchCondition(match, 'r', 'f')}`,
  )
}

function insertAffected(flow: Flow, stand: Stand): string {
  const keys = keyColumns(flow)
  return `INSERT INTO ${stand.affected} (${keys.join(', ')}) SELECT DISTINCT ${keys.map(key => `f.${key}`).join(', ')}`
}

function keyColumns(flow: Flow): string[] {
  return flow.key.map(({ from }) => quoteIdentifier(from))
}

/** The LIMIT leaves nothing out: without it the planner expects thousands of rows, and reads whole mirrors for one. */
function rowsOf({ table, key, rows }: Staged): string {
  return `(SELECT ${key.map(quoteIdentifier).join(', ')} FROM ${table} LIMIT ${rows})`
}

function sameKey({ key }: Staged, alias: string): string {
  return key.map(name => `${alias}.${quoteIdentifier(name)} = s.${quoteIdentifier(name)}`).join(' AND ')
}
