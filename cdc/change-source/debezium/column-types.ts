import { FicusError } from '@ficus/core/errors/ficus-error'

/** A column at one time: its number in its table, which stays when it is renamed, and its type as in SQL. */
export interface ColumnType {
  readonly number: number
  readonly type: string
}

/** The columns that are read of each table, by name: `{ 'public.products': { id: { number: 1, type: 'bigint' } } }`. */
export type ColumnTypes = Readonly<Record<string, Readonly<Record<string, ColumnType>>>>

/**
 * Events tell no types: what is read with those of now may have been written with those of before. A wider type of the
 * same kind reads both; of any other, the same digits may mean something else.
 * @returns whether any type became wider.
 * @throws FICUS_SOURCE_CHANGED on any other change of a column that keeps its name. A name that is gone, or new, shows in
 *   the events themselves.
 */
export function compareTypes(before: ColumnTypes, now: ColumnTypes): boolean {
  let wider = false
  for (const [table, columns] of Object.entries(before)) {
    for (const [name, was] of Object.entries(columns)) {
      const is = now[table]?.[name]
      if (is === undefined || (is.number === was.number && is.type === was.type)) continue
      if (is.number !== was.number) throw changed(`${table}.${name} is another column than before`)
      if (!isWider(was.type, is.type)) throw changed(`${table}.${name} was ${was.type} and is now ${is.type}`)
      wider = true
    }
  }
  return wider
}

/** Whether each value of `before` is the same value of `now`, in events as in tables. Types as `format_type` tells them. */
export function isWider(before: string, now: string): boolean {
  const [one, other] = [parseType(before), parseType(now)]
  const integers = [INTEGERS.indexOf(one.name), INTEGERS.indexOf(other.name)] as const
  if (integers[0] >= 0) return integers[1] > integers[0]
  const [length, scale] = one.modifiers
  const [newLength, newScale] = other.modifiers
  if (one.name === 'character varying') {
    if (other.name === 'text') return true
    return other.name === one.name && (newLength === undefined || (length !== undefined && newLength >= length))
  }
  if (one.name !== 'numeric' || other.name !== 'numeric') return false
  return newLength === undefined || (length !== undefined && newScale === scale && newLength >= length)
}

const INTEGERS = ['smallint', 'integer', 'bigint']

/** `numeric(12,2)` -> `numeric`, [12, 2]. */
function parseType(type: string): { readonly name: string; readonly modifiers: readonly number[] } {
  const match = /^([a-z ]+)(?:\((\d+)(?:,(-?\d+))?\))?$/.exec(type)
  if (match === null) return { name: type, modifiers: [] }
  const [, name = '', ...modifiers] = match
  return { name, modifiers: modifiers.filter(modifier => modifier !== undefined).map(Number) }
}

function changed(what: string): FicusError {
  return new FicusError('FICUS_SOURCE_CHANGED', `${what}: the events in Kafka do not tell which of the two they hold`, {
    remedy:
      'Roll the capability back to legacy and advance it again, which copies anew. Without that a type is changed by a new column: add it, map it, and drop the old one later.',
  })
}
