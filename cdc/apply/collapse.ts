import type { Change } from '../change-source/change-source.ts'
import { afterColumn, KIND, locateColumns } from '../change-source/tuple.ts'
import { OPERATION } from '../mapping/merge-sql.ts'

/** A row to be staged, in the batch's data. */
export interface StagedRow {
  /** One of OPERATION, without KEPT. */
  readonly operation: number
  /**
   * Where its tuple begins; or, if its values come from several, the positions of the kind bytes of the relation's
   * columns. Few rows do, and a list for each of the others would be most of the memory that a batch takes.
   */
  readonly starts: number | readonly number[]
  /** Indexes of columns whose value is not known from this batch: an unchanged TOAST value, or one that was left out. */
  readonly unknown: readonly number[]
}

/** A row that lay at one key and lies at another now. Each is where the columns of a tuple with that key start. */
export interface MovedRow {
  readonly from: readonly number[]
  readonly to: readonly number[]
}

/** What a run of changes of one table comes to. */
export interface Collapsed {
  /** All rows were truncated before those below came. */
  readonly truncated: boolean
  readonly rows: readonly StagedRow[]
  /** Rows that were there before the run, under another key: to be moved first. */
  readonly moved: readonly MovedRow[]
  /** They are to be moved one by one, each step of each, since one takes a key that another left; else all at once. */
  readonly inTurn: boolean
  /** How many of the changes this is about. The others can only follow once these are applied. */
  readonly taken: number
}

/** So many changes of keys can be staged at once (`movedFrom`). */
const MOST_MOVED = 16_000

/**
 * Reduces the changes of one table to at most one per key: the last one, with what is known from those before. A key
 * that changed becomes a move and an update, or, where rows cannot be moved, a deletion and an insertion; a row deleted and
 * inserted anew is replaced. An unchanged TOAST value is taken from the row's earlier change or its old tuple; else it stays unknown.
 *
 * It ends before a new row that takes a key which a moved one left, before one is moved to a key of which a row was deleted,
 * and before a moved row is deleted. Nothing is deleted at a key that was left: it may be the new one, to the target (1.0 and 1.00).
 *
 * @param changes of one relation, in order.
 * @param keyColumns indexes of the key's columns in the relation.
 * @param moves whether rows whose key changed can be moved; else they are inserted anew.
 */
export function collapse(
  data: Buffer,
  changes: readonly Change[],
  keyColumns: readonly number[],
  moves: boolean,
): Collapsed {
  const readBack = readBackColumns(changes[0])
  if (changes.every(change => change.kind === 'insert')) {
    return {
      truncated: false,
      rows: changes.map(asInsert(data, readBack)),
      moved: [],
      inTurn: false,
      taken: changes.length,
    }
  }
  const run: Run = { entries: new Map(), moved: moves ? new Map() : null, hops: [], left: new Set(), inTurn: false }
  const { entries, moved, hops, left } = run
  let truncated = false
  let taken = 0
  for (const change of changes) {
    if (change.kind === 'truncate') {
      truncated = true
      entries.clear()
      moved?.clear()
      left.clear()
      hops.length = 0
      run.inTurn = false
    } else if (change.kind === 'insert') {
      const unknown = unsent(data, change.newTuple, readBack)
      const key = keyIn(data, change.newTuple, keyColumns)
      if (left.has(key)) break
      insert(entries, key, change.newTuple, unknown)
    } else if (change.kind === 'delete') {
      const key = keyIn(data, change.oldTuple, keyColumns)
      if (moved?.has(key)) break
      entries.set(key, { operation: OPERATION.DELETE, starts: change.oldTuple, unknown: NONE })
    } else if (change.oldTuple < 0 && isWhole(data, change.newTuple)) {
      updateInPlace(entries, keyIn(data, change.newTuple, keyColumns), change.newTuple, NONE)
    } else if (!update(data, run, change, keyColumns, readBack)) {
      break
    }
    taken += 1
  }
  const { inTurn } = run
  return { truncated, rows: [...entries.values()], moved: inTurn ? hops : [...(moved?.values() ?? [])], inTurn, taken }
}

/** By the key that a row has now. */
type Entries = Map<string, StagedRow>

/** What the changes until now come to. */
interface Run {
  readonly entries: Entries
  /** By the key that a row has now; null where rows cannot be moved. */
  readonly moved: Map<string, MovedRow> | null
  /** Every change of a moved row's key, in order. */
  readonly hops: MovedRow[]
  /** Keys that rows were moved away from. */
  readonly left: Set<string>
  /** A row was moved to a key that another left. */
  inTurn: boolean
}

/** @returns false where the row has to wait until the changes before it are applied. */
function update(
  data: Buffer,
  run: Run,
  change: Change,
  keyColumns: readonly number[],
  readBack: readonly number[],
): boolean {
  const { entries, moved, hops, left } = run
  const starts = locate(data, change.newTuple)
  const old = change.oldTuple < 0 ? null : locate(data, change.oldTuple)
  // A key value that was not sent (it is that large) did not change either, so the old tuple has it.
  for (const column of keyColumns)
    if (data[at(starts, column)] === KIND.UNCHANGED && old) starts[column] = at(old, column)
  const newKey = keyOf(data, starts, keyColumns)
  const oldKey = old === null ? newKey : keyOf(data, old, keyColumns)
  const before = entries.get(oldKey)
  // What was left out may have changed, so it is not what it was before.
  const leftOut = unsent(data, change.newTuple, readBack)
  const unknown = [...leftOut, ...complete(data, starts, before, old, leftOut)]

  if (oldKey === newKey || old === null) {
    updateInPlace(entries, newKey, starts, unknown)
    return true
  }
  const wasThere = before === undefined || before.operation === OPERATION.UPDATE
  if (moved !== null && wasThere) {
    if (entries.has(newKey) || hops.length === MOST_MOVED) return false
    if (left.has(newKey)) run.inTurn = true
    hops.push({ from: old, to: starts })
    const from = moved.get(oldKey)?.from ?? old
    moved.delete(oldKey)
    moved.set(newKey, { from, to: starts })
    entries.set(newKey, { operation: OPERATION.UPDATE, starts, unknown })
    entries.delete(oldKey)
    left.add(oldKey)
    return true
  }
  if (left.has(newKey)) return false
  insert(entries, newKey, starts, unknown)
  entries.set(oldKey, { operation: OPERATION.DELETE, starts: old, unknown: [] })
  return true
}

type Starts = StagedRow['starts']

/** A row that is new in this batch stays new, whatever became of it since. */
function updateInPlace(entries: Entries, key: string, starts: Starts, unknown: readonly number[]): void {
  const before = entries.get(key)
  const isNew = before?.operation === OPERATION.INSERT || before?.operation === OPERATION.REPLACE
  entries.set(key, { operation: isNew ? before.operation : OPERATION.UPDATE, starts, unknown })
}

function insert(entries: Entries, key: string, starts: Starts, unknown: readonly number[]): void {
  const operation = entries.has(key) ? OPERATION.REPLACE : OPERATION.INSERT
  entries.set(key, { operation, starts, unknown })
}

/** Fills in unchanged values from the row's last change or its old tuple. @returns the columns that stay unknown. */
function complete(
  data: Buffer,
  starts: number[],
  before: StagedRow | undefined,
  old: readonly number[] | null,
  leftOut: readonly number[],
): number[] {
  const unknown: number[] = []
  const earlier = before === undefined || before.operation === OPERATION.DELETE ? null : before
  const earlierStarts = typeof earlier?.starts === 'number' ? locate(data, earlier.starts) : (earlier?.starts ?? NONE)
  for (let column = 0; column < starts.length; column++) {
    if (data[at(starts, column)] !== KIND.UNCHANGED || leftOut.includes(column)) continue
    if (old !== null && isSent(data[at(old, column)])) starts[column] = at(old, column)
    else if (earlier !== null && !earlier.unknown.includes(column)) starts[column] = at(earlierStarts, column)
    else unknown.push(column)
  }
  return unknown
}

/** In an old tuple of key columns alone the others are NULL, so only a value counts as sent. */
function isSent(kind: number | undefined): boolean {
  return kind === KIND.TEXT || kind === KIND.BINARY
}

function asInsert(data: Buffer, readBack: readonly number[]): (change: Change) => StagedRow {
  return ({ newTuple }) => ({
    operation: OPERATION.INSERT,
    starts: newTuple,
    unknown: unsent(data, newTuple, readBack),
  })
}

/** Whether every value of the tuple at `offset` was sent. */
function isWhole(data: Buffer, offset: number): boolean {
  const count = data.readInt16BE(offset)
  let at = offset + 2
  for (let column = 0; column < count; column++) {
    if (data[at] === KIND.UNCHANGED) return false
    at = afterColumn(data, at)
  }
  return true
}

/** The columns whose values the engine may leave out. */
function readBackColumns(change: Change | undefined): number[] {
  return (change?.relation.columns ?? []).flatMap((column, index) => (column.readBack ? [index] : []))
}

const NONE: readonly number[] = []

/** Those of `columns` that were left out of the tuple at `offset`. */
function unsent(data: Buffer, offset: number, columns: readonly number[]): readonly number[] {
  if (columns.length === 0) return NONE
  const starts = locate(data, offset)
  return columns.filter(column => data[at(starts, column)] === KIND.UNCHANGED)
}

/** Where the columns of the tuple at `offset` start. */
export function locate(data: Buffer, offset: number): number[] {
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
export function keyOf(data: Buffer, starts: readonly number[], keyColumns: readonly number[]): string {
  let key = ''
  for (const column of keyColumns) key += keyPart(data, at(starts, column))
  return key
}

/** The key of the tuple at `offset`. Almost always it is the first column, so nothing else is looked at. */
function keyIn(data: Buffer, offset: number, keyColumns: readonly number[]): string {
  if (keyColumns.length === 1 && keyColumns[0] === 0) return keyPart(data, offset + 2)
  return keyOf(data, locate(data, offset), keyColumns)
}

function keyPart(data: Buffer, start: number): string {
  const kind = data[start]
  if (kind !== KIND.TEXT && kind !== KIND.BINARY) return '\0'
  return data.toString('latin1', start + 1, start + 5 + data.readInt32BE(start + 1))
}
