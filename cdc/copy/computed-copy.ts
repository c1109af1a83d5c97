import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import { showKey } from '../apply/refusal.ts'
import { copyIn } from '../database/copy-in.ts'
import { copyText } from '../database/copy-text.ts'
import { withoutValues } from '../database/without-values.ts'
import { type ComputedFlow, type ComputedRow, rowComputer } from '../mapping/computed-rows.ts'

/** The rows that one fetch may bring, and about how many bytes: two of them are in memory. */
const MAX_FETCH = 5_000
const MAX_FETCH_BYTES = 4 * 1024 * 1024

type Input = (string | null)[]

/**
 * Carries rows through a flow's function: the next are read while the last are written.
 *
 * @param from a session in a transaction, and the query of the function's input (mapping/computed-rows.ts).
 * @param to a session, and the `COPY … FROM STDIN (FORMAT text)` of the flow's columns.
 * @param columns the source's columns that the function gets.
 * @returns the number of rows written.
 * @throws FICUS_CHANGE_REFUSED with the key of the row that the function throws at; what either server says; the signal's
 *   reason. Both sessions may then be in the middle of something: end them.
 */
export async function copyComputed(
  flow: ComputedFlow,
  columns: readonly string[],
  from: { readonly client: Client; readonly sql: string },
  to: { readonly client: Client; readonly sql: string },
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([carry(flow, columns, from, to), aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function carry(
  flow: ComputedFlow,
  columns: readonly string[],
  from: { readonly client: Client; readonly sql: string },
  to: { readonly client: Client; readonly sql: string },
): Promise<number> {
  const compute = rowComputer(flow, columns)
  let written = 0
  for await (const inputs of fetchRows(from.client, from.sql)) {
    const rows = inputs.flatMap(input => {
      const { key, values } = computeNamed(flow, compute, input)
      return values === null ? [] : [[...key, ...values]]
    })
    if (rows.length > 0) await copyIn(to.client, to.sql, copyText(rows))
    written += rows.length
  }
  return written
}

/** Reads a query's rows in pieces; the next one is asked for before this one is taken. For a session in a transaction. */
export async function* fetchRows(
  client: Client,
  sql: string,
  values: readonly unknown[] = [],
): AsyncGenerator<Input[], void> {
  const fetch = (rows: number): Promise<Input[]> => {
    const fetched = client.query<Input>({ text: `FETCH ${rows} FROM ficus_input`, rowMode: 'array' })
    const found = fetched.then(result => result.rows)
    // Whoever takes the rows may fail first.
    found.catch(() => {})
    return found
  }
  await client.query(`DECLARE ficus_input NO SCROLL CURSOR FOR ${sql}`, [...values])
  let size = 10
  let next = fetch(size)
  try {
    for (let rows = await next; rows.length > 0; rows = await next) {
      const bytes = rows.reduce(
        (sum, row) => sum + row.reduce((length, value) => length + (value?.length ?? 0) + 8, 0),
        0,
      )
      size = Math.max(1, Math.min(MAX_FETCH, size * 4, Math.floor((MAX_FETCH_BYTES * rows.length) / bytes)))
      next = fetch(size)
      yield rows
    }
  } finally {
    await next.catch(() => {})
  }
  await client.query('CLOSE ficus_input')
}

/** Runs the function on a row. @throws FICUS_CHANGE_REFUSED with the target's key. */
export function computeNamed(flow: ComputedFlow, compute: (input: Input) => ComputedRow, input: Input): ComputedRow {
  try {
    return compute(input)
  } catch (error) {
    const key = Object.fromEntries(flow.key.map(({ to }, index) => [to, input[index] ?? null]))
    throw new FicusError('FICUS_CHANGE_REFUSED', `${showKey(key)}: ${messageOf(error)}`, {
      cause: error,
      details: { withoutValues: `${showKey(key)}: ${withoutValues(error)}` },
    })
  }
}
