import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { isRewritten } from '../database/rewritten.ts'
import { isComputed } from '../mapping/computed-rows.ts'
import { mappedExpressions, targetKey } from '../mapping/flow.ts'
import { columnOf } from '../mapping/merge-sql.ts'
import { addBucket, type Bucket, bucketCount, differingBuckets, differingKeys } from './buckets.ts'
import { type Bench, benchRows, computedSide, needBench } from './computed-side.ts'
import { bucketRowsSql, bucketsSql, type DiffSide, sideRanges, sourceSide, targetSide } from './diff-sql.ts'
import { type KeyRange, rangeCondition } from './ranges.ts'
import { type ComparedColumns, type Difference, keyId } from './recheck.ts'

/** What the comparison of one mapping found. */
export interface TableDiff {
  readonly source: string
  readonly target: string
  /** Keys that either side has. */
  readonly compared: number
  readonly equal: number
  readonly differing: readonly Difference[]
  /** Rows that differ, or look so, beyond those listed. */
  readonly unlisted: number
  /** Rows that changed each time they were looked at. */
  readonly undecided: number
  /** Rows that looked different, and were equal when they were looked at again: on their way, or written since. */
  readonly settled: number
}

/** Sessions with both databases, in which one range after the other is compared. */
export interface SessionPair {
  readonly source: Client
  readonly target: Client
  /** For mappings by functions; null where there are none. */
  readonly bench: Bench | null
}

/**
 * Runs `work` in a snapshot of either side, each of its own moment. Else a row that is written all the time would be seen
 * nowhere: it may move between the places that one statement after the other looks at.
 * @param work is given the pair as it is within them.
 */
export async function inSnapshots<T>(
  { source, target, bench }: SessionPair,
  work: (pair: SessionPair) => Promise<T>,
): Promise<T> {
  const onBoth = (sql: string) => Promise.all([source.query(sql), target.query(sql)])
  await onBoth('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  const within = { source, target, bench: bench === null ? null : { ...bench, inSnapshot: true } }
  const result = await work(within).catch(async (error: unknown) => {
    await onBoth('ROLLBACK').catch(() => {})
    throw error
  })
  await onBoth('COMMIT')
  return result
}

/** What two scans of a range found. */
export interface RangeScan {
  /** Keys that either side has. */
  readonly rows: number
  /** Keys of rows whose hashes differ, and of those that one side lacks. */
  readonly suspects: readonly (readonly string[])[]
  /** Rows that have no counterpart, whatever the other side holds: their key is null, or another row's too. */
  readonly odd: readonly Difference[]
}

/** Blocks that one statement hashes where a table cannot be read by ranges of keys: 64 MB. */
const BLOCKS = 8_192
/** Buckets whose rows are listed at once. */
const BUCKETS_AT_ONCE = 256

/** One mapping under comparison, and what was found so far. */
export class TableComparison {
  readonly flow: ShapedFlow
  readonly columns: ComparedColumns
  readonly sides: { readonly sourceSide: DiffSide; readonly targetSide: DiffSide }
  readonly differing: Difference[] = []
  compared = 0
  unlisted = 0
  undecided = 0
  settled = 0
  readonly #keyTypes: readonly string[]

  constructor(flow: ShapedFlow, showValues: boolean) {
    this.flow = flow
    this.sides = {
      sourceSide: isComputed(flow.flow)
        ? computedSide(flow.flow, flow.source, flow.target)
        : sourceSide(flow.flow, flow.source, flow.target),
      targetSide: targetSide(flow.flow, flow.target),
    }
    this.columns = {
      keyNames: targetKey(flow.flow).map(({ to }) => to),
      valueNames: mappedExpressions(flow.flow).map(({ to }) => to),
      showValues,
    }
    this.#keyTypes = flow.flow.key.map(({ to }) => columnOf(flow.target, to).type)
  }

  get estimatedRows(): number {
    return Math.max(this.flow.source.estimatedRows, this.flow.target.estimatedRows)
  }

  /** Lists differences as long as there is room, and counts the others. */
  list(differences: readonly Difference[], maxListed: number): void {
    const room = Math.max(0, maxListed - this.differing.length)
    this.differing.push(...differences.slice(0, room))
    this.unlisted += Math.max(0, differences.length - room)
  }

  /** Whether a table that it reads was truncated or rewritten since the snapshots of the sessions were taken. */
  async isRewritten({ source, target }: SessionPair): Promise<boolean> {
    const { from, to, reads } = this.flow.flow
    const [ofSource, ofTarget] = await Promise.all([
      isRewritten(source, [from, ...reads.map(({ table }) => table)]),
      isRewritten(target, [to]),
    ])
    return ofSource || ofTarget
  }

  /**
   * Hashes a range on both sides at once; where the sums differ, lists its rows.
   * @param onRows is told of rows of the source as they are read; the scan waits for it.
   */
  async scan(pair: SessionPair, range: KeyRange, onRows: (rows: number) => Promise<void>): Promise<RangeScan> {
    const isWhole = range.above === null && range.upTo === null
    const mask = isWhole ? bucketCount(this.estimatedRows) - 1 : 0
    const parts = (side: DiffSide) =>
      isWhole ? sideRanges(side, BLOCKS) : [rangeCondition(side, this.#keyTypes, range)]
    const { sourceSide, targetSide } = this.sides
    const [ofSource, ofTarget] = await Promise.all([
      sumBuckets(pair.source, pair.bench, sourceSide, mask, parts(sourceSide.computed?.input ?? sourceSide), onRows),
      sumBuckets(pair.target, null, targetSide, mask, parts(targetSide), async () => {}),
    ])
    const rows = [...ofSource.values()].reduce((sum, bucket) => sum + Number(bucket.rows), 0)
    const buckets = differingBuckets(ofSource, ofTarget)
    const suspects: (readonly string[])[] = []
    const odd: Difference[] = []
    let extra = 0
    for (let at = 0; at < buckets.length; at += BUCKETS_AT_ONCE) {
      const some = buckets.slice(at, at + BUCKETS_AT_ONCE)
      const list = (client: Client, bench: Bench | null, side: DiffSide) => {
        const condition = isWhole ? 'true' : rangeCondition(side.computed?.input ?? side, this.#keyTypes, range)
        return listBuckets(client, bench, side, mask, some, condition)
      }
      const [a, b] = await Promise.all([list(pair.source, pair.bench, sourceSide), list(pair.target, null, targetSide)])
      odd.push(...a.odd.map(key => this.#odd(key, 'missing')), ...b.odd.map(key => this.#odd(key, 'extra')))
      extra += b.odd.length
      for (const key of differingKeys(a.hashes, b.hashes)) {
        if (!a.hashes.has(key)) extra += 1
        suspects.push(a.keys.get(key) ?? b.keys.get(key) ?? [])
      }
    }
    return { rows: rows + extra, suspects, odd }
  }

  #odd(key: readonly (string | null)[], kind: 'missing' | 'extra'): Difference {
    const named = this.columns.keyNames.map((name, index) => [name, key[index] ?? ''])
    return { key: Object.fromEntries(named), kind, columns: [] }
  }

  result(): TableDiff {
    const { compared, differing, unlisted, undecided, settled } = this
    return {
      source: showTable(this.flow.flow.from),
      target: showTable(this.flow.flow.to),
      compared,
      equal: compared - differing.length - unlisted - undecided,
      differing,
      unlisted,
      undecided,
      settled,
    }
  }
}

/** The sessions in which a side's statements find the rows that match a condition, one after the other, and what they match there. */
async function* placesOf(
  client: Client,
  bench: Bench | null,
  { computed }: DiffSide,
  condition: string,
): AsyncGenerator<{ readonly client: Client; readonly condition: string }, void> {
  if (computed === undefined) {
    yield { client, condition }
    return
  }
  const place = needBench(bench)
  for await (const _ of benchRows(computed, client, place, condition)) yield { client: place.client, condition: 'true' }
}

async function sumBuckets(
  client: Client,
  bench: Bench | null,
  side: DiffSide,
  mask: number,
  parts: readonly string[],
  onRows: (rows: number) => Promise<void>,
): Promise<Map<number, Bucket>> {
  const buckets = new Map<number, Bucket>()
  for (const part of parts) {
    for await (const place of placesOf(client, bench, side, part)) {
      const { rows } = await place.client.query<{ bucket: number; rows: string; hash: string }>(
        bucketsSql(side, mask, place.condition),
      )
      for (const row of rows) addBucket(buckets, row.bucket, { rows: BigInt(row.rows), hash: BigInt(row.hash) })
      await onRows(rows.reduce((sum, row) => sum + Number(row.rows), 0))
    }
  }
  return buckets
}

interface ListedRows {
  /** By `keyId`. */
  readonly hashes: Map<string, string>
  readonly keys: Map<string, readonly string[]>
  /** Keys that are null in part, and those of a row that was listed already. */
  readonly odd: (readonly (string | null)[])[]
}

function isWholeKey(key: readonly (string | null)[]): key is readonly string[] {
  return !key.includes(null)
}

async function listBuckets(
  client: Client,
  bench: Bench | null,
  side: DiffSide,
  mask: number,
  buckets: readonly number[],
  range: string,
): Promise<ListedRows> {
  const listed: ListedRows = { hashes: new Map(), keys: new Map(), odd: [] }
  for await (const { client: place, condition } of placesOf(client, bench, side, range)) {
    const { rows } = await place.query<ListedRow>(bucketRowsSql(side, mask, buckets, condition))
    addListed(listed, rows)
  }
  return listed
}

interface ListedRow {
  readonly key: (string | null)[]
  readonly hash: string
}

function addListed(listed: ListedRows, rows: readonly ListedRow[]): void {
  for (const { key, hash } of rows) {
    const id = keyId(key)
    if (!isWholeKey(key) || listed.hashes.has(id)) {
      listed.odd.push(key)
      continue
    }
    listed.hashes.set(id, hash)
    listed.keys.set(id, key)
  }
}
