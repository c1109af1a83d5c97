import type { Side } from '@ficus/core/phases/phase'
import { Histogram, type MetricObjectWithValues, type MetricValueWithName, type Registry } from 'prom-client'

/** Upper bounds in seconds: from a cache's answer to one that a user gives up on. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const NAME = 'ficus_edge_upstream_seconds'

type Labels = 'capability' | 'side'

interface Series {
  readonly labels: Readonly<Record<Labels, string>>
  /** One a bucket, and one beyond the last. */
  readonly counts: number[]
  sum: number
}

/**
 * A histogram of how long requests took. `observe` of prom-client makes and hashes a label object for every value, which
 * was the dearest line of a request here; this one adds to an array and makes the labels when somebody scrapes.
 */
export class UpstreamSeconds extends Histogram<Labels> {
  readonly #series = new Map<string, Record<Side, Series>>()

  constructor(registry: Registry) {
    super({
      name: NAME,
      help: 'From the request until its whole answer, by capability and side',
      labelNames: ['capability', 'side'],
      buckets: BUCKETS,
      registers: [registry],
    })
  }

  add(capability: string, side: Side, seconds: number): void {
    let sides = this.#series.get(capability)
    if (sides === undefined) {
      sides = { monolith: empty(capability, 'monolith'), service: empty(capability, 'service') }
      this.#series.set(capability, sides)
    }
    const series = sides[side]
    let bucket = 0
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] ?? 0)) bucket += 1
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sum += seconds
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<Labels>>> {
    const metric = await super.get()
    const all = [...this.#series.values()].flatMap(({ monolith, service }) => [monolith, service])
    return { ...metric, values: all.filter(({ sum }) => sum > 0).flatMap(valuesOf) }
  }
}

function empty(capability: string, side: Side): Series {
  return { labels: { capability, side }, counts: new Array<number>(BUCKETS.length + 1).fill(0), sum: 0 }
}

/** Prometheus's form: cumulative buckets, then the sum and the count. */
function valuesOf({ labels, counts, sum }: Series): MetricValueWithName<Labels>[] {
  let total = 0
  const buckets = counts.map((count, i) => {
    total += count
    return { metricName: `${NAME}_bucket`, labels: { le: BUCKETS[i] ?? '+Inf', ...labels }, value: total }
  })
  return [
    ...buckets,
    { metricName: `${NAME}_sum`, labels, value: sum },
    { metricName: `${NAME}_count`, labels, value: total },
  ]
}
