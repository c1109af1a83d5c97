import type { DiffState, StoredRange } from './diff-state.ts'
import { keyId, type RecheckOptions, recheck } from './recheck.ts'
import type { SessionPair, TableComparison } from './table-comparison.ts'

/** A compared range in which rows look different. */
export interface Doubt {
  readonly table: TableComparison
  readonly state: DiffState
  readonly range: StoredRange
  /** Keys that either side has. */
  readonly rows: number
  /** Keys of the rows that look different. */
  readonly suspects: readonly (readonly string[])[]
  /** No other row of the range differs. */
  readonly restIsEqual: boolean
}

export interface DoubtOptions extends Pick<RecheckOptions, 'progress' | 'timeoutMs' | 'signal'> {
  /** Differences listed for each table; the rows behind them are counted as they look. */
  readonly maxListed: number
}

/** Keys that are read at once. */
const KEYS_AT_ONCE = 500

/**
 * Looks again at rows that look different, and notes what became of them: differences, or rows that settled. A range
 * whose rows all settled is equal, though at no one position.
 * @param pair sessions in which each statement sees its own state, and which keep no table locked: a TRUNCATE that waited for
 *   them would keep the target from passing a mark.
 */
export async function settleDoubts(doubts: readonly Doubt[], pair: SessionPair, options: DoubtOptions): Promise<void> {
  for (const [table, ranges] of Map.groupBy(doubts, doubt => doubt.table)) {
    const unequal = await unequalOf(
      table,
      ranges.flatMap(({ suspects }) => suspects),
      pair,
      options,
    )
    for (const { state, range, rows, suspects, restIsEqual } of ranges) {
      const isEqual = restIsEqual && !suspects.some(key => unequal.has(keyId(key)))
      if (isEqual) await state.equal(range, rows, null)
    }
  }
}

/** @returns the ids of the keys whose rows were not found equal. */
async function unequalOf(
  table: TableComparison,
  suspects: readonly (readonly string[])[],
  pair: SessionPair,
  { maxListed, ...options }: DoubtOptions,
): Promise<ReadonlySet<string>> {
  const compared = { ...pair, ...table.sides, ...table.columns, ...options }
  const unequal = new Set<string>()
  let at = 0
  for (; at < suspects.length && table.differing.length < maxListed; at += KEYS_AT_ONCE) {
    const keys = suspects.slice(at, at + KEYS_AT_ONCE)
    const found = await recheck(compared, keys)
    table.list(found.differing, maxListed)
    table.undecided += found.undecided
    table.settled += keys.length - found.unequal.size
    for (const id of found.unequal) unequal.add(id)
  }
  const rest = suspects.slice(at)
  table.unlisted += rest.length
  for (const key of rest) unequal.add(keyId(key))
  return unequal
}
