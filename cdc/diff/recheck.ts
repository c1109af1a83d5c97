import { systemCodeOf } from '@ficus/core/errors/ficus-error'
import type { Client } from 'pg'
import type { ProgressKey } from '../apply/progress.ts'
import { passWaypoint } from '../lag/lag.ts'
import { type Bench, benchRows, needBench } from './computed-side.ts'
import { type DiffSide, keysCondition, rowsByKeySql } from './diff-sql.ts'

/** A row that is not the same on both sides, and stays so. */
export interface Difference {
  /** Target key column -> its value as text. */
  readonly key: Readonly<Record<string, string>>
  /** `missing` at the target, `extra` there, or `different`. */
  readonly kind: 'missing' | 'extra' | 'different'
  /** The target's columns that differ; empty unless `different`. */
  readonly columns: readonly string[]
  /** What either side holds in the columns that differ (of a row that one side lacks, in all), where it was asked for. */
  readonly values?: Readonly<Record<string, ValuePair>>
}

/** A value of both sides as text; undefined on the side that lacks the row. */
export interface ValuePair {
  readonly source?: string | null
  readonly target?: string | null
}

/** A row as one side holds it. */
export interface RowImage {
  readonly values: readonly (string | null)[]
  readonly version: string
}

/** The columns of a mapping, and what to tell of them. */
export interface ComparedColumns {
  readonly keyNames: readonly string[]
  readonly valueNames: readonly string[]
  /** Rows may hold what is nobody's business. */
  readonly showValues: boolean
}

/** The two sides of a mapping, and a session with each. */
export interface ComparedSides {
  readonly source: Client
  readonly target: Client
  readonly bench: Bench | null
  readonly sourceSide: DiffSide
  readonly targetSide: DiffSide
}

export interface RecheckOptions extends ComparedColumns, ComparedSides {
  readonly progress: ProgressKey
  /** How long the target may take to reach a mark, ms. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What became of rows that looked different. */
export interface Verdict {
  readonly differing: readonly Difference[]
  /** Rows that changed each time they were looked at. */
  readonly undecided: number
  /** The ids of the keys of both; the other rows are equal. */
  readonly unequal: ReadonlySet<string>
}

const ROUNDS = 10
/** A difference has to be seen so often, with the source's row untouched, to count. */
const STRIKES = 2

/**
 * Tells rows that differ from rows that were on their way: reads the source's row, waits until the target has passed
 * that moment, reads both again. It counts only if the source's row was not touched meanwhile and the target's still
 * differs, twice in a row.
 *
 * @param suspects keys as lists of texts.
 */
export async function recheck(options: RecheckOptions, suspects: readonly (readonly string[])[]): Promise<Verdict> {
  const differing: Difference[] = []
  const unequal = new Set<string>()
  let open = suspects.map(key => ({ key, strikes: 0 }))
  for (let round = 1; round <= ROUNDS && open.length > 0; round++) {
    const keys = open.map(({ key }) => key)
    const before = await readRows(options.source, options.sourceSide, keys, options.bench)
    await passWaypoint(options.source, options.target, {
      ...options.progress,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
    })
    const target = await readRows(options.target, options.targetSide, keys)
    const after = await readRows(options.source, options.sourceSide, keys, options.bench)
    open = open.flatMap(({ key, strikes }) => {
      const id = keyId(key)
      const source = after.get(id)
      if (before.get(id)?.version !== source?.version) return [{ key, strikes: 0 }]
      const difference = compareRows(options, key, source, target.get(id))
      if (difference === null) return []
      if (strikes + 1 < STRIKES) return [{ key, strikes: strikes + 1 }]
      differing.push(difference)
      unequal.add(id)
      return []
    })
  }
  for (const { key } of open) unequal.add(keyId(key))
  return { differing, undecided: open.length, unequal }
}

/** What two images of a row differ in, or null. */
export function compareRows(
  { keyNames, valueNames, showValues }: ComparedColumns,
  key: readonly string[],
  source: RowImage | undefined,
  target: RowImage | undefined,
): Difference | null {
  if (source === undefined && target === undefined) return null
  const named = Object.fromEntries(keyNames.map((name, index) => [name, key[index] ?? '']))
  const differs = (_: string, index: number) => source?.values[index] !== target?.values[index]
  const columns = source === undefined || target === undefined ? [] : valueNames.filter(differs)
  const kind = source === undefined ? 'extra' : target === undefined ? 'missing' : 'different'
  if (kind === 'different' && columns.length === 0) return null
  if (!showValues) return { key: named, kind, columns }
  const shown = kind === 'different' ? columns : valueNames
  const pair = (name: string): ValuePair => {
    const index = valueNames.indexOf(name)
    return {
      ...(source === undefined ? {} : { source: source.values[index] ?? null }),
      ...(target === undefined ? {} : { target: target.values[index] ?? null }),
    }
  }
  return { key: named, kind, columns, values: Object.fromEntries(shown.map(name => [name, pair(name)])) }
}

/** A key's texts as one map key. */
export function keyId(key: readonly (string | null)[]): string {
  return JSON.stringify(key)
}

/** Rows by `keyId`. @param keys lists of texts. */
export async function readRows(
  client: Client,
  side: DiffSide,
  keys: readonly (readonly string[])[],
  bench: Bench | null = null,
): Promise<ReadonlyMap<string, RowImage>> {
  const arrays = side.keyColumns.map((_, index) => keys.map(key => key[index]))
  const rows = await query(client, bench, side, false, arrays).catch(error => {
    // A key of the target that is none in the source's narrower type: compared as text it simply matches nothing.
    if (!systemCodeOf(error)?.startsWith('22')) throw error
    return query(client, bench, side, true, arrays)
  })
  return new Map(rows.map(row => [keyId(row.key), { values: row.values.slice(1), version: row.version }]))
}

interface Row {
  key: string[]
  values: (string | null)[]
  version: string
}

async function query(
  client: Client,
  bench: Bench | null,
  side: DiffSide,
  compareAsText: boolean,
  arrays: readonly (readonly (string | undefined)[])[],
): Promise<Row[]> {
  const sql = rowsByKeySql(side, compareAsText)
  if (side.computed === undefined) return (await client.query<Row>(sql, [...arrays])).rows
  const found: Row[] = []
  const place = needBench(bench)
  const condition = keysCondition(side.computed.input, compareAsText)
  for await (const _ of benchRows(side.computed, client, place, condition, arrays)) {
    found.push(...(await place.client.query<Row>(sql, [...arrays])).rows)
  }
  return found
}
