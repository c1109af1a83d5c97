/** Latencies of one side, milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Percentiles by nearest rank: the smallest value that at least that share of all values does not exceed. */
export function percentiles(values: Float64Array): Percentiles {
  const sorted = values.toSorted()
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) ?? 0 }
}

/**
 * Adds the requests that a slow answer kept from being sent, as users would have met them: an answer that took longer
 * than the interval at which its connection is to send delays the ones behind it ("coordinated omission",
 * HdrHistogram's recordValueWithExpectedInterval).
 * @param interval milliseconds between two requests of one connection.
 */
export function withOmitted(values: readonly number[], interval: number): Float64Array {
  const all: number[] = []
  for (const value of values) {
    for (let waited = value; waited > 0; waited -= interval) {
      all.push(waited)
      if (waited <= interval) break
    }
  }
  return Float64Array.from(all)
}
