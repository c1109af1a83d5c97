import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import { doubledRows, removedOfEach } from './each-sql.ts'
import { bracketed, type Flow, keyExpressions, type MappedColumn, targetKey, withEach } from './flow.ts'
import type { ColumnShape, TableShape } from './table-shape.ts'
import { movedRows, othersWritten, ownRows, removedRows } from './within.ts'

/** The column of a staging table that says what is to be done with its row. */
export const OPERATION_COLUMN = quoteIdentifier('ficus operation')

/** What is to be done with a staged row. From `KEPT` on: an update that leaves the columns of one list as they are. */
export const OPERATION = { INSERT: 0, UPDATE: 1, DELETE: 2, REPLACE: 3, KEPT: 4 } as const

/**
 * Two rows that hold a key alone say that the row of the first key has the second now: they are staged under the operations
 * `movedFrom` and `movedTo` of the pair's number.
 */
export function movedFrom(pair: number): number {
  return -2 * pair - 1
}

export function movedTo(pair: number): number {
  return movedFrom(pair) - 1
}

/** The statements of one flow from one staging table, and what each is for. */
export interface MergeStatements {
  /** Rows that were deleted, or will be inserted anew, or (with a filter) no longer match. */
  readonly remove: string
  /** Rows whose key is new. */
  readonly insert: string
  /** Rows that changed: updated where they differ, inserted where the filter now lets them in. */
  readonly update: string
  /** Every target row of the flow's own, for a TRUNCATE of the source. */
  readonly clear: string
  /** Finds rows of one key that the mapping makes of one source row; null where it makes a single row of each. */
  readonly doubled: string | null
  /** Finds a row that would be written and is not the flow's own; null where all are. */
  readonly others: string | null
}

/**
 * The SQL that takes rows from a staging table of the source's shape to the target.
 * @param staging the staging table, quoted.
 * @param staged the source's columns that it holds.
 */
export function mergeStatements(
  flow: Flow,
  target: TableShape,
  staging: string,
  staged: readonly string[],
): MergeStatements {
  const to = quoteTable(flow.to)
  const names = flow.columns.map(column => quoteIdentifier(column.to))
  const rows = (operations: readonly number[]) => mappedRows(flow, target, staging, staged, operations)
  const overriding = overridingOf(flow, target)
  const added = rows([OPERATION.INSERT, OPERATION.REPLACE])
  const own = ownRows(flow)
  const clear = `${own.reads}DELETE FROM ${own.table} WHERE ${own.where}`
  if (flow.each !== undefined) {
    const keyed = { ...flow, columns: targetKey(flow) }
    const keys = (operations: readonly number[]) => mappedRows(keyed, target, staging, staged, operations)
    const made = keys([OPERATION.INSERT, OPERATION.UPDATE, OPERATION.REPLACE])
    const changed = `SELECT ${mappedKey(flow, target)} FROM ${staging} AS ${quoteIdentifier(flow.from.table)} WHERE ${OPERATION_COLUMN} IN (${[OPERATION.UPDATE, OPERATION.DELETE, OPERATION.REPLACE].join(', ')})`
    return {
      remove: removedOfEach(flow, changed, keys([OPERATION.UPDATE])),
      insert: `INSERT INTO ${to} (${names.join(', ')})${overriding} ${added}`,
      update: mergeMapped(flow, target, rows([OPERATION.UPDATE])),
      clear,
      doubled: doubledRows(flow, made),
      others: othersWritten(flow, made, keyMatch(flow)),
    }
  }
  return {
    remove: removedRows(flow, removedKeys(flow, target, staging, staged), keyMatch(flow)),
    insert: flow.shared
      ? mergeMapped(flow, target, added)
      : `INSERT INTO ${to} (${names.join(', ')})${overriding} ${added}`,
    update: mergeMapped(flow, target, rows([OPERATION.UPDATE])),
    clear,
    doubled: null,
    others: othersWritten(flow, writtenKeys(flow, target, staging), keyMatch(flow)),
  }
}

/**
 * Writes mapped rows: those that differ are updated, those that are not there inserted.
 * @param rows a query of the target's mapped columns.
 */
export function mergeMapped(flow: Flow, target: TableShape, rows: string): string {
  const names = flow.columns.map(column => quoteIdentifier(column.to))
  return (
    `MERGE INTO ${quoteTable(flow.to)} AS t USING (${rows}) AS s ON ${keyMatch(flow)} ` +
    whenMatched(flow, target, flow.columns) +
    ` WHEN NOT MATCHED THEN INSERT (${names.join(', ')})${overridingOf(flow, target)} VALUES (${names.map(name => `s.${name}`).join(', ')})`
  )
}

/**
 * The statement that gives target rows the new keys of their source rows, as `movedFrom` and `movedTo` stage them, and their new
 * values with them: a trigger sees one change. All other columns stay, and foreign keys that say ON UPDATE take rows along. Null
 * where the target numbers its rows itself (GENERATED ALWAYS AS IDENTITY), which no UPDATE may change.
 * @param values a query of the mapped rows that changed, by which the merge goes on; null where it sees to the values alone.
 */
export function moveStatement(flow: Flow, target: TableShape, staging: string, values: string | null): string | null {
  if (!canMove(flow, target)) return null
  const names = keyExpressions(flow).map(({ to }) => quoteIdentifier(to))
  const both = (one: string, other: string) => names.map(name => `${one}.${name} = ${other}.${name}`).join(' AND ')
  const pairs = movedPairs(flow, target, staging)
  const assigned = names.map(name => `${name} = n.${name}`)
  if (values === null) return movedRows(flow, assigned.join(', '), pairs, both('t', 's'))
  // There are none of a row that leaves the flow, and will be deleted, nor of one whose values are not all known.
  const written = flow.columns.slice(names.length).map(({ to }) => {
    const name = quoteIdentifier(to)
    return `${name} = CASE WHEN v.${names[0]} IS NULL THEN t.${name} ELSE v.${name} END`
  })
  const rows = `${pairs} LEFT JOIN (${values}) AS v ON ${both('v', 'n')}`
  return movedRows(flow, [...assigned, ...written].join(', '), rows, both('t', 's'))
}

/**
 * The statement that does so one by one, in the order of the pairs, for rows that take the keys of others: within one UPDATE a
 * unique index may meet the second before the first has gone. It changes keys alone; the merge sees to the values.
 */
export function moveInTurnStatement(flow: Flow, target: TableShape, staging: string): string | null {
  if (!canMove(flow, target)) return null
  const names = keyExpressions(flow).map(({ to }) => quoteIdentifier(to))
  const select = names.map((name, index) => `s.${name} AS before_${index}, n.${name} AS after_${index}`)
  const assigned = names.map((name, index) => `${name} = p.after_${index}`)
  const match = names.map((name, index) => `t.${name} = p.before_${index}`)
  const fields = names.map((_, index) => `pair.before_${index}, pair.after_${index}`)
  const columns = names.map((_, index) => `before_${index}, after_${index}`)
  const one = `(SELECT ${fields.join(', ')}) AS p (${columns.join(', ')})`
  return (
    'DO $ficus$ #variable_conflict use_column\nDECLARE pair record; BEGIN ' +
    `FOR pair IN SELECT ${select.join(', ')} FROM ${movedPairs(flow, target, staging)} ORDER BY s.${OPERATION_COLUMN} DESC LOOP ` +
    `${movedRows(flow, assigned.join(', '), one, match.join(' AND '))}; END LOOP; END $ficus$`
  )
}

/** The other half of a shared row may still be called by the old key; a key that the target numbers itself no UPDATE may change. */
function canMove(flow: Flow, target: TableShape): boolean {
  return !flow.shared && keyExpressions(flow).every(({ to }) => !columnOf(target, to).identityAlways)
}

/** A FROM item that pairs each old key `s` with its new one, `n`. */
function movedPairs(flow: Flow, target: TableShape, staging: string): string {
  const staged = (operation: string) =>
    `(SELECT ${OPERATION_COLUMN}, ${mappedKey(flow, target)} FROM ${staging} AS ${quoteIdentifier(flow.from.table)} WHERE ${operation})`
  return (
    `${staged(`${OPERATION_COLUMN} < 0 AND ${OPERATION_COLUMN} % 2 <> 0`)} AS s ` +
    `JOIN ${staged(`${OPERATION_COLUMN} < 0 AND ${OPERATION_COLUMN} % 2 = 0`)} AS n ON n.${OPERATION_COLUMN} = s.${OPERATION_COLUMN} - 1`
  )
}

/** The update of rows of which some source columns are unknown: target columns that read one of them stay as they are. */
export function keptStatement(
  flow: Flow,
  target: TableShape,
  staging: string,
  staged: readonly string[],
  operation: number,
  writable: readonly MappedColumn[],
): string {
  const narrowed = { ...flow, where: null, columns: [...flow.columns.slice(0, flow.key.length), ...writable] }
  const rows = mappedRows(narrowed, target, staging, staged, [operation])
  return `MERGE INTO ${quoteTable(flow.to)} AS t USING (${rows}) AS s ON ${keyMatch(flow)} ${whenMatched(narrowed, target, narrowed.columns)}`
}

/**
 * `SELECT` of the mapped row: each expression in the type of the column it goes to. The same text runs in the copy, the
 * merge and the diff, so that all three mean the same value.
 * @param castTo the type that a column's value is cast to where it runs.
 */
export function mappedSelect(flow: Flow, target: TableShape, castTo: (column: ColumnShape) => string): string {
  const select = flow.columns.map(({ to, expression }) => {
    const column = columnOf(target, to)
    return `${bracketed(expression)}::${castTo(column)} AS ${quoteIdentifier(to)}`
  })
  return `SELECT ${select.join(', ')}`
}

/** The filter as a condition that is true or false, never unknown. */
export function filterCondition(flow: Flow): string {
  return flow.where === null ? 'true' : `${bracketed(flow.where)} IS TRUE`
}

/**
 * The type that a mapped value is cast to before it is written. Length and precision that round a value belong to it;
 * those that would cut one off in silence are left to the assignment, which refuses what does not fit.
 */
export function assignedType(column: ColumnShape): string {
  return /^(numeric|time|timestamp|interval)/.test(column.type) ? column.fullType : column.type
}

/** The type that a value for `column` has in the source, which need not know the target's own types: then it is text. */
export function sourceSideType(column: ColumnShape): string {
  return column.wireType === column.type ? assignedType(column) : column.wireType
}

/** The mapped rows of those that are staged for `operations`. */
export function mappedRows(
  flow: Flow,
  target: TableShape,
  staging: string,
  staged: readonly string[],
  operations: readonly number[],
): string {
  const rows = `SELECT ${staged.map(quoteIdentifier).join(', ')} FROM ${staging} WHERE ${OPERATION_COLUMN} IN (${operations.join(', ')})`
  const from = withEach(flow, `(${rows}) AS ${quoteIdentifier(flow.from.table)}`)
  return `${mappedSelect(flow, target, assignedType)} FROM ${from} WHERE ${filterCondition(flow)}`
}

function removedKeys(flow: Flow, target: TableShape, staging: string, staged: readonly string[]): string {
  const gone = stagedKeys(flow, target, staging, `IN (${OPERATION.DELETE}, ${OPERATION.REPLACE})`)
  if (flow.where === null) return gone
  const changed = `SELECT ${staged.map(quoteIdentifier).join(', ')} FROM ${staging} WHERE ${OPERATION_COLUMN} = ${OPERATION.UPDATE}`
  return `${gone} UNION ALL SELECT ${mappedKey(flow, target)} FROM (${changed}) AS ${quoteIdentifier(flow.from.table)} WHERE NOT ${filterCondition(flow)}`
}

/**
 * Deletes the target's rows where others come under their keys, for a flow whose rows are computed from mirrors: it would see but
 * that they differ.
 * @param which the operations of the staged rows that come, or all whose key changed.
 */
export function replacedStatement(
  flow: Flow,
  target: TableShape,
  staging: string,
  which: readonly number[] | 'moved',
): string {
  const operations = which === 'moved' ? '< 0' : `IN (${which.join(', ')})`
  return removedRows(flow, stagedKeys(flow, target, staging, operations), keyMatch(flow))
}

/** Keys of all rows that are written, those of which columns are unknown too. */
function writtenKeys(flow: Flow, target: TableShape, staging: string): string {
  const written = `>= 0 AND ${OPERATION_COLUMN} <> ${OPERATION.DELETE} AND ${filterCondition(flow)}`
  return stagedKeys(flow, target, staging, written)
}

/** The target's keys of staged rows. @param operations what their operation has to be. */
function stagedKeys(flow: Flow, target: TableShape, staging: string, operations: string): string {
  return `SELECT ${mappedKey(flow, target)} FROM ${staging} AS ${quoteIdentifier(flow.from.table)} WHERE ${OPERATION_COLUMN} ${operations}`
}

/** The target's key as a select list over the key columns of rows that come from. */
export function mappedKey(flow: Flow, target: TableShape): string {
  return keyExpressions(flow)
    .map(
      ({ to, expression }) =>
        `${bracketed(expression)}::${assignedType(columnOf(target, to))} AS ${quoteIdentifier(to)}`,
    )
    .join(', ')
}

/** Joins mapped rows `s` to those of the target `t`. */
export function keyMatch(flow: Flow): string {
  return targetKey(flow)
    .map(({ to }) => `t.${quoteIdentifier(to)} = s.${quoteIdentifier(to)}`)
    .join(' AND ')
}

/** Types of which two values are equal only if their bytes are. */
const EXACT_TYPES: ReadonlySet<string> = new Set([
  'smallint',
  'integer',
  'bigint',
  'boolean',
  'uuid',
  'date',
  'timestamp without time zone',
  'timestamp with time zone',
])

/**
 * `*<>` compares binary images: it knows every type, json too, and tells 1.0 from 1.00. A row that is equal is left
 * alone. Columns that are as exact without it come first: most updates change one of them, and the rest, which may be a
 * large document that an expression makes, is then not looked at.
 */
function whenMatched(flow: Flow, target: TableShape, columns: readonly MappedColumn[]): string {
  const compared = columns.slice(targetKey(flow).length)
  const written = compared.map(column => quoteIdentifier(column.to))
  if (written.length === 0) return 'WHEN MATCHED THEN DO NOTHING'
  const isExact = ({ to }: MappedColumn) => EXACT_TYPES.has(columnOf(target, to).type)
  const differing = compared.filter(isExact).map(({ to }) => {
    const name = quoteIdentifier(to)
    return `t.${name} IS DISTINCT FROM s.${name}`
  })
  const others = compared.filter(column => !isExact(column))
  const image = (side: string) =>
    others
      .map(({ to }) => {
        const blankPadded = columnOf(target, to).type === 'character' || columnOf(target, to).type === 'bpchar'
        return `${side}.${quoteIdentifier(to)}${blankPadded ? '::text' : ''}`
      })
      .join(', ')
  if (others.length > 0) {
    differing.push(`ROW(${image('t')})::record OPERATOR(pg_catalog.*<>) ROW(${image('s')})::record`)
  }
  return (
    `WHEN MATCHED AND (${differing.join(' OR ')}) ` +
    `THEN UPDATE SET ${written.map(name => `${name} = s.${name}`).join(', ')}`
  )
}

function overridingOf(flow: Flow, target: TableShape): string {
  const isWritten = (column: ColumnShape) => flow.columns.some(({ to }) => to === column.name)
  return target.columns.some(column => column.identityAlways && isWritten(column)) ? ' OVERRIDING SYSTEM VALUE' : ''
}

/** A mapped column of the target. The mapping was checked against the target before any SQL is made of it. */
export function columnOf(target: TableShape, name: string): ColumnShape {
  const column = target.columns.find(candidate => candidate.name === name)
  if (column === undefined) throw new Error(`the mapping names ${name}, which ${target.name.table} does not have`)
  return column
}
