import { FicusError, type FicusErrorOptions, messageOf } from '@ficus/core/errors/ficus-error'

/** A source row: column -> its value in PostgreSQL's text form (times in UTC, bytea as hex), null for NULL. Frozen. */
export type SourceRow = Readonly<Record<string, string | null>>

/** What a function may give for a column. It is written in text form, and the column's type reads it. */
export type ColumnValue = string | number | bigint | boolean | null

/**
 * A mapping in Node: all columns of one source row (but generated ones, which PostgreSQL leaves out of the stream) become
 * the target columns that the mapping's `columns` lists, each of them and no other. Null says that the row has no
 * counterpart, as a `where` does. It answers at once, from the row alone, and always the same: it runs in the first copy,
 * in the stream, and whenever somebody checks. What it throws is the reason for which the change is parked.
 */
export type RowFunction = (row: SourceRow) => Readonly<Record<string, ColumnValue>> | null

/** Stands where a function's column has no SQL. No database knows it, so that SQL made of it by mistake fails. */
export const NO_EXPRESSION = '"a function in Node"'

export function isRowFunction(value: unknown): value is RowFunction {
  return typeof value === 'function'
}

/**
 * Runs a function on a row and checks what it gives.
 * @param names the columns that it fills.
 * @param path where the mapping stands: `tables[2]`.
 * @returns their values as text, in the order of `names`; or null where the row has no counterpart.
 * @throws FICUS_CHANGE_REFUSED with what the function throws, or what is wrong with its answer.
 */
export function computeColumns(
  compute: RowFunction,
  row: SourceRow,
  names: readonly string[],
  path: string,
): (string | null)[] | null {
  const result = call(compute, row, path)
  if (result === null) return null
  if (typeof result !== 'object' || Array.isArray(result)) throw refused(path, `gave ${show(result)}, not an object`)
  if (result instanceof Promise) {
    // Whatever becomes of it is nobody's business then, and must not end the process.
    result.catch(() => {})
    throw refused(path, 'gave a promise; it must answer at once')
  }
  const values = new Map<string, unknown>(Object.entries(result))
  const other = [...values.keys()].find(name => !names.includes(name))
  if (other !== undefined) throw refused(path, `gave a value for ${other}, which its list of columns lacks`)
  return names.map(name => textOf(values.get(name), name, path))
}

function call(compute: RowFunction, row: SourceRow, path: string): unknown {
  try {
    return compute(row)
  } catch (error) {
    const details = { withoutValues: `the function of ${path} threw ${whatAndWhere(error)}` }
    throw refused(path, `threw: ${messageOf(error)}`, { cause: error, details })
  }
}

function textOf(value: unknown, name: string, path: string): string | null {
  if (value === null) return null
  if (typeof value === 'string') {
    if (value.isWellFormed()) return value
    throw refused(path, `gave half a character (a lone surrogate) in ${name}`)
  }
  // SQL has -0 as well, and `String` has not.
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  throw refused(path, `gave ${show(value)} for ${name}, not a string, number, bigint, boolean or null`)
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  return typeof value === 'object' && value !== null
    ? `an object (${value.constructor?.name ?? 'of no class'})`
    : `a ${typeof value}`
}

/** `SyntaxError at sync.ts:12:7`: what was thrown often says the value that it was thrown for. */
function whatAndWhere(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no Error'
  const trace = error.stack?.slice(error.stack.indexOf(error.message) + error.message.length)
  const place = /^\s+at .*?([^/\\\s()]+:\d+:\d+)\)?$/m.exec(trace ?? '')?.[1]
  return place === undefined ? error.name : `${error.name} at ${place}`
}

function refused(path: string, what: string, options: FicusErrorOptions = {}): FicusError {
  return new FicusError('FICUS_CHANGE_REFUSED', `the function of ${path} ${what}`, options)
}
