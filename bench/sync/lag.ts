import { setTimeout as sleep } from 'node:timers/promises'
import { type Percentiles, percentiles } from '@ficus/control/load/percentile'
import type { Databases } from './clusters.ts'
import type { Contender } from './contender.ts'
import { PER_SECOND, writeProducts } from './workload.ts'

/** A row's commit at the source. */
export interface Commit {
  readonly id: number
  /** By the source's clock, ms since 1970. */
  readonly at: number
}

/** A look at the target. Rows come in the order of their ids, so the newest tells of all before it. */
export interface Look {
  readonly newest: number
  /** After what it saw, by the target's clock, ms since 1970. */
  readonly at: number
}

/** What was measured. */
export interface LagSample {
  /** Commit to visible, ms. */
  readonly lag: Percentiles
  /** Transactions that the source really committed in a second. */
  readonly rate: number
}

/** Before what counts: code becomes warm, buffers fill. */
const WARM_UP_SECONDS = 1

/**
 * Writes 1,000 single-row transactions a second at the source and looks at the target all the while. Both clocks are
 * the servers' own and, on one machine, the same; a row counts as visible when a look at it has ended, so the time
 * between two looks is part of the lag.
 */
export async function measureLag(
  { source, target }: Databases,
  contender: Contender,
  first: number,
  seconds: number,
): Promise<LagSample> {
  const { name, id } = contender.table
  const last = first + (seconds + WARM_UP_SECONDS) * PER_SECOND - 1
  const written = writeProducts(source, first, last - first + 1, 1, PER_SECOND)
  const looks: Look[] = []
  const look = `SELECT max(${id})::float8 AS newest, extract(epoch FROM clock_timestamp())::float8 * 1000 AS at FROM ${name}`
  const watch = async () => {
    const deadline = performance.now() + (seconds + 60) * 1_000
    while ((looks.at(-1)?.newest ?? 0) < last) {
      contender.assertWell()
      if (performance.now() > deadline) throw new Error(`the target has ${looks.at(-1)?.newest}, not yet ${last}`)
      looks.push(...(await target.query<Look>(look)).rows)
      await sleep(1)
    }
  }
  await Promise.all([written, watch()])
  const { rows: commits } = await source.query<Commit>(
    `SELECT id::float8 AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 * 1000 AS at
     FROM products WHERE id >= $1 ORDER BY id`,
    [first + WARM_UP_SECONDS * PER_SECOND],
  )
  return { lag: percentiles(lagsOf(commits, looks)), rate: rateOf(commits) }
}

/** The lag of each commit, ms: until the first look that saw it. Both lists are in order. @throws if one was never seen. */
export function lagsOf(commits: readonly Commit[], looks: readonly Look[]): Float64Array {
  let next = 0
  return Float64Array.from(commits, ({ id, at }) => {
    while ((looks[next]?.newest ?? Number.POSITIVE_INFINITY) < id) next += 1
    const seen = looks[next]
    if (seen === undefined) throw new RangeError(`row ${id} was never seen`)
    return Math.max(0, seen.at - at)
  })
}

function rateOf(commits: readonly Commit[]): number {
  const [first, last] = [commits[0], commits.at(-1)]
  return first === undefined || last === undefined ? 0 : ((commits.length - 1) * 1_000) / (last.at - first.at)
}
