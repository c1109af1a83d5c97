import type { Change } from '../change-source/change-source.ts'
import { KIND, locateColumns } from '../change-source/tuple.ts'
import { OPERATION } from '../mapping/merge-sql.ts'

/** A row to be staged: where each of its columns starts in the batch's data. */
export interface StagedRow {
  /** One of OPERATION, without KEPT. */
  readonly operation: number
  /** Positions of the kind bytes of the relation's columns. */
  readonly starts: readonly number[]
  /** Indexes of columns whose value is not known from this batch (unchanged TOAST). */
  readonly unknown: readonly number[]
}

/** What a run of changes of one table comes to. */
export interface Collapsed {
  /** All rows were truncated before those below came. */
  readonly truncated: boolean
  readonly rows: readonly StagedRow[]
}

interface Entry {
  operation: number
  starts: number[]
  unknown: number[]
}

/**
 * Reduces the changes of one table to at most one per key: the last one, with what is known from those before. A key
 * that changed becomes a deletion of the old and an insertion of the new; a row deleted and inserted anew is replaced.
 * An unchanged TOAST value is taken from the row's earlier change or its old tuple; else it stays unknown.
 *
 * @param changes of one relation, in order.
 * @param keyColumns indexes of the key's columns in the relation.
 */
export function collapse(data: Buffer, changes: readonly Change[], keyColumns: readonly number[]): Collapsed {
  if (changes.every(change => change.kind === 'insert')) return { truncated: false, rows: changes.map(asInsert(data)) }
  const entries = new Map<string, Entry>()
  let truncated = false
  for (const change of changes) {
    if (change.kind === 'truncate') {
      truncated = true
      entries.clear()
    } else if (change.kind === 'insert') {
      const starts = locate(data, change.newTuple)
      insert(entries, keyOf(data, starts, keyColumns), starts, [])
    } else if (change.kind === 'delete') {
      const starts = locate(data, change.oldTuple)
      entries.set(keyOf(data, starts, keyColumns), { operation: OPERATION.DELETE, starts, unknown: [] })
    } else {
      update(data, entries, change, keyColumns)
    }
  }
  return { truncated, rows: [...entries.values()] }
}

function update(data: Buffer, entries: Map<string, Entry>, change: Change, keyColumns: readonly number[]): void {
  const starts = locate(data, change.newTuple)
  const old = change.oldTuple < 0 ? null : locate(data, change.oldTuple)
  // A key value that was not sent (it is that large) did not change either, so the old tuple has it.
  for (const column of keyColumns)
    if (data[at(starts, column)] === KIND.UNCHANGED && old) starts[column] = at(old, column)
  const newKey = keyOf(data, starts, keyColumns)
  const oldKey = old === null ? newKey : keyOf(data, old, keyColumns)
  const before = entries.get(oldKey)
  const unknown = complete(data, starts, before, old)

  if (oldKey !== newKey && old !== null) {
    entries.set(oldKey, { operation: OPERATION.DELETE, starts: old, unknown: [] })
    insert(entries, newKey, starts, unknown)
    return
  }
  // A row that is new in this batch stays new, whatever became of it since.
  const isNew = before?.operation === OPERATION.INSERT || before?.operation === OPERATION.REPLACE
  entries.set(newKey, { operation: isNew ? before.operation : OPERATION.UPDATE, starts, unknown })
}

function insert(entries: Map<string, Entry>, key: string, starts: number[], unknown: number[]): void {
  const operation = entries.has(key) ? OPERATION.REPLACE : OPERATION.INSERT
  entries.set(key, { operation, starts, unknown })
}

/** Fills in unsent values from the row's last change or its old tuple. @returns the columns that stay unknown. */
function complete(data: Buffer, starts: number[], before: Entry | undefined, old: readonly number[] | null): number[] {
  const unknown: number[] = []
  for (let column = 0; column < starts.length; column++) {
    if (data[at(starts, column)] !== KIND.UNCHANGED) continue
    if (old !== null && isSent(data[at(old, column)])) starts[column] = at(old, column)
    else if (before !== undefined && before.operation !== OPERATION.DELETE && !before.unknown.includes(column)) {
      starts[column] = at(before.starts, column)
    } else unknown.push(column)
  }
  return unknown
}

/** In an old tuple of key columns alone the others are NULL, so only a value counts as sent. */
function isSent(kind: number | undefined): boolean {
  return kind === KIND.TEXT || kind === KIND.BINARY
}

function asInsert(data: Buffer): (change: Change) => StagedRow {
  return change => ({ operation: OPERATION.INSERT, starts: locate(data, change.newTuple), unknown: [] })
}

function locate(data: Buffer, offset: number): number[] {
  const starts: number[] = []
  locateColumns(data, offset, starts)
  return starts
}

function at(starts: readonly number[], column: number): number {
  const start = starts[column]
  if (start === undefined) throw new RangeError(`a row has no column ${column}`)
  return start
}

/** The key's bytes, each part with its length before it so that two keys never read alike. */
function keyOf(data: Buffer, starts: readonly number[], keyColumns: readonly number[]): string {
  let key = ''
  for (const column of keyColumns) {
    const start = at(starts, column)
    const kind = data[start]
    if (kind === KIND.TEXT || kind === KIND.BINARY) {
      key += data.toString('latin1', start + 1, start + 5 + data.readInt32BE(start + 1))
    } else key += '\0'
  }
  return key
}
