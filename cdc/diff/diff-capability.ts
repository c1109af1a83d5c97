import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { readProgress } from '../apply/progress.ts'
import { type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { passWaypoint } from '../lag/lag.ts'
import { type Direction, flowsOf, mappedExpressions, type Sync } from '../mapping/flow.ts'
import { addBucket, type Bucket, bucketCount, differingBuckets, differingKeys } from './buckets.ts'
import { blockRanges, bucketRowsSql, bucketsSql, type DiffSide, sourceSide, targetSide } from './diff-sql.ts'
import { type Difference, keyId, type RecheckOptions, recheck } from './recheck.ts'

export interface DiffOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly capability: string
  readonly direction: Direction
  readonly sync: Sync
  /** How long the target may take to catch up with the source, ms; 60 s unless given. */
  readonly timeoutMs?: number
  /** Differences listed for each table; 1,000 unless given. What goes beyond is counted, unchecked. */
  readonly maxListed?: number
  readonly onProgress?: (progress: DiffProgress) => void
  readonly signal?: AbortSignal
}

export interface DiffProgress {
  /** The target table under comparison. */
  readonly table: string
  /** 0 to 1, of this table. */
  readonly fraction: number
  /** Rows of the source that were read so far, of this table. */
  readonly rows: number
}

/** What the comparison of one mapping found. */
export interface TableDiff {
  readonly source: string
  readonly target: string
  /** Keys that either side has. */
  readonly compared: number
  readonly equal: number
  readonly differing: readonly Difference[]
  /** Rows that looked different beyond those listed, and were not looked at again. */
  readonly unlisted: number
  /** Rows that changed each time they were looked at. */
  readonly undecided: number
}

export interface DiffReport {
  readonly tables: readonly TableDiff[]
  /** No row differs, and none was left undecided. */
  readonly equal: boolean
}

const TIMEOUT_MS = 60_000
const MAX_LISTED = 1_000
/** Blocks that one statement hashes: 64 MB. */
const BLOCKS = 8_192
/** Buckets whose rows are listed, and keys that are read, at once. */
const BUCKETS_AT_ONCE = 256
const KEYS_AT_ONCE = 500

/**
 * Compares every mapped row of both sides while writes go on. Both databases hash their rows by buckets of keys; only
 * buckets that differ are listed, and a row counts as different only if it stays so once the target has caught up.
 * Needs a sync that streams.
 *
 * @throws FICUS_SYNC_BEHIND where nothing was copied yet or the target does not catch up.
 */
export async function diffCapability(options: DiffOptions): Promise<DiffReport> {
  const { source, target } = options
  return withSession(source, reading =>
    withSession(target, async readingTarget => {
      await assertStreaming(readingTarget, options)
      const flows = await shapeFlows(reading, readingTarget, flowsOf(options.sync, options.direction))
      const tables: TableDiff[] = []
      for (const flow of flows) tables.push(await new TableComparison(options, reading, readingTarget, flow).run())
      return { tables, equal: tables.every(table => table.equal === table.compared) }
    }),
  )
}

async function assertStreaming(target: Client, { capability, direction }: DiffOptions): Promise<void> {
  const progress = await readProgress(target, { capability, direction })
  if (progress?.state === 'streaming') return
  const why = progress === null ? 'nothing was copied yet' : 'the first copy is under way'
  throw new FicusError('FICUS_SYNC_BEHIND', `the ${direction} sync of ${capability} cannot be compared: ${why}`, {
    remedy: 'Wait until `ficus status` shows it streaming.',
  })
}

/** The comparison of one mapping. Scans run in sessions of their own, each in one snapshot. */
class TableComparison {
  readonly #options: DiffOptions
  readonly #flow: ShapedFlow
  readonly #sides: { readonly source: DiffSide; readonly target: DiffSide }
  readonly #recheck: RecheckOptions
  readonly #signal: AbortSignal
  readonly #scanned = { source: 0, target: 0 }
  #sourceRows = 0

  constructor(options: DiffOptions, source: Client, target: Client, flow: ShapedFlow) {
    this.#options = options
    this.#flow = flow
    this.#signal = options.signal ?? new AbortController().signal
    this.#sides = {
      source: sourceSide(flow.flow, flow.source, flow.target),
      target: targetSide(flow.flow, flow.target),
    }
    this.#recheck = {
      source,
      target,
      sourceSide: this.#sides.source,
      targetSide: this.#sides.target,
      keyNames: flow.flow.key.map(({ to }) => to),
      valueNames: mappedExpressions(flow.flow).map(({ to }) => to),
      progress: { capability: options.capability, direction: options.direction },
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      signal: this.#signal,
    }
  }

  async run(): Promise<TableDiff> {
    const { timeoutMs, progress } = this.#recheck
    await passWaypoint(this.#recheck.source, this.#recheck.target, { ...progress, timeoutMs, signal: this.#signal })
    const { rows, extra, suspects } = await this.#scan()
    const { differing, unlisted, undecided } = await this.#judge(suspects)
    const compared = rows + extra
    return {
      source: showTable(this.#flow.flow.from),
      target: showTable(this.#flow.flow.to),
      compared,
      equal: compared - differing.length - unlisted - undecided,
      differing,
      unlisted,
      undecided,
    }
  }

  /** Finds the keys that look different in two snapshots that were taken at about the same time. */
  async #scan(): Promise<{ rows: number; extra: number; suspects: string[][] }> {
    return withSnapshot(this.#options.source, source =>
      withSnapshot(this.#options.target, async target => {
        const mask = bucketCount(Math.max(this.#flow.source.estimatedRows, this.#flow.target.estimatedRows)) - 1
        const [ofSource, ofTarget] = await Promise.all([
          this.#hash(source, 'source', mask),
          this.#hash(target, 'target', mask),
        ])
        const buckets = differingBuckets(ofSource, ofTarget)
        const suspects: string[][] = []
        let extra = 0
        for (let at = 0; at < buckets.length; at += BUCKETS_AT_ONCE) {
          this.#signal.throwIfAborted()
          const some = buckets.slice(at, at + BUCKETS_AT_ONCE)
          const [a, b] = await Promise.all([
            listBuckets(source, this.#sides.source, mask, some),
            listBuckets(target, this.#sides.target, mask, some),
          ])
          for (const key of differingKeys(a.hashes, b.hashes)) {
            if (!a.hashes.has(key)) extra += 1
            suspects.push(a.keys.get(key) ?? b.keys.get(key) ?? [])
          }
        }
        const rows = [...ofSource.values()].reduce((sum, bucket) => sum + Number(bucket.rows), 0)
        return { rows, extra, suspects }
      }),
    )
  }

  async #hash(client: Client, name: 'source' | 'target', mask: number): Promise<Map<number, Bucket>> {
    const side = this.#sides[name]
    const buckets = new Map<number, Bucket>()
    const ranges = blockRanges(side, BLOCKS)
    for (const [index, range] of ranges.entries()) {
      this.#signal.throwIfAborted()
      const { rows } = await client.query<{ bucket: number; rows: string; hash: string }>(bucketsSql(side, mask, range))
      for (const row of rows) addBucket(buckets, row.bucket, { rows: BigInt(row.rows), hash: BigInt(row.hash) })
      this.#scanned[name] = (index + 1) / ranges.length
      if (name === 'source') this.#sourceRows += rows.reduce((sum, row) => sum + Number(row.rows), 0)
      this.#tell()
    }
    return buckets
  }

  async #judge(
    suspects: readonly string[][],
  ): Promise<{ differing: Difference[]; unlisted: number; undecided: number }> {
    const maxListed = this.#options.maxListed ?? MAX_LISTED
    const differing: Difference[] = []
    let undecided = 0
    let at = 0
    for (; at < suspects.length && differing.length < maxListed; at += KEYS_AT_ONCE) {
      const verdict = await recheck(this.#recheck, suspects.slice(at, at + KEYS_AT_ONCE))
      differing.push(...verdict.differing)
      undecided += verdict.undecided
    }
    return { differing, unlisted: Math.max(0, suspects.length - at), undecided }
  }

  #tell(): void {
    const fraction = (this.#scanned.source + this.#scanned.target) / 2
    this.#options.onProgress?.({ table: showTable(this.#flow.flow.to), fraction, rows: this.#sourceRows })
  }
}

async function withSnapshot<T>(endpoint: Endpoint, work: (client: Client) => Promise<T>): Promise<T> {
  return withSession(endpoint, async client => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    // The first query takes the snapshot.
    await client.query('SELECT pg_current_snapshot()')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  })
}

async function listBuckets(
  client: Client,
  side: DiffSide,
  mask: number,
  buckets: readonly number[],
): Promise<{ hashes: Map<string, string>; keys: Map<string, string[]> }> {
  const { rows } = await client.query<{ key: string[]; hash: string }>(bucketRowsSql(side, mask, buckets))
  return {
    hashes: new Map(rows.map(row => [keyId(row.key), row.hash])),
    keys: new Map(rows.map(row => [keyId(row.key), row.key])),
  }
}
