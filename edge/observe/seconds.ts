import type { Side } from '@ficus/core/phases/phase'

/** Upper bounds in seconds: from a cache's answer to one that a user gives up on. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const NAME = 'ficus_edge_upstream_seconds'

interface Series {
  /** One a bucket, and one beyond the last. */
  readonly counts: number[]
  sum: number
}

/**
 * A histogram of how long requests took, by capability and side. prom-client's makes and hashes a label object for every
 * value, which was the dearest line of a request here; this one adds to an array, and writes its labels when scraped.
 */
export class UpstreamSeconds {
  readonly #series = new Map<string, Record<Side, Series>>()

  add(capability: string, side: Side, seconds: number): void {
    let sides = this.#series.get(capability)
    if (sides === undefined) {
      sides = { monolith: empty(), service: empty() }
      this.#series.set(capability, sides)
    }
    const series = sides[side]
    let bucket = 0
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] ?? 0)) bucket += 1
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sum += seconds
  }

  /** Prometheus's text format 0.0.4: cumulative buckets, then the sum and the count. */
  text(): string {
    const lines = [`# HELP ${NAME} From the request until its whole answer`, `# TYPE ${NAME} histogram`]
    for (const [capability, sides] of this.#series) {
      for (const [side, series] of Object.entries(sides)) {
        const labels = `capability="${capability}",side="${side}"`
        let total = 0
        for (const [i, count] of series.counts.entries()) {
          total += count
          lines.push(`${NAME}_bucket{${labels},le="${BUCKETS[i] ?? '+Inf'}"} ${total}`)
        }
        lines.push(`${NAME}_sum{${labels}} ${series.sum}`, `${NAME}_count{${labels}} ${total}`)
      }
    }
    return `${lines.join('\n')}\n`
  }
}

function empty(): Series {
  return { counts: new Array<number>(BUCKETS.length + 1).fill(0), sum: 0 }
}
