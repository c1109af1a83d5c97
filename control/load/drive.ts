import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '@ficus/core/errors/ficus-error'
import autocannon from 'autocannon'
import { type Percentiles, percentiles, withOmitted } from './percentile.ts'

export interface DriveOptions {
  /** The side's address; the requests' paths are appended. */
  readonly url: string
  /** `GET` targets, taken in turn. */
  readonly requests: readonly string[]
  /** Requests a second. */
  readonly rate: number
  /** Milliseconds, from 1000 on. */
  readonly duration: number
  readonly signal: AbortSignal
  onProgress?(answered: number): void
}

/** What one side did under load. */
export interface DriveResult {
  readonly latency: Percentiles
  /** Answers a second. */
  readonly throughput: number
  readonly answers: number
  /** Answers that were not 2xx or 3xx, connections that failed, and requests that were not answered in time. */
  readonly errors: number
  /** By status or by failure, for a person: `{ "503": 12, "request timed out": 3 }`. */
  readonly errorKinds: Readonly<Record<string, number>>
}

/** No more connections than this; beyond it each connection sends several requests a second. */
const MOST_CONNECTIONS = 1_000
/** Connections start in this many groups, spread over a second. */
const MOST_LANES = 50
const TIMEOUT_SECONDS = 10

/**
 * Sends `GET` requests to one side at an open rate: the next one is sent whether or not the last was answered.
 *
 * autocannon paces each connection by the second: it sends the second's requests one after the other, then rests. One
 * connection for each request of a second, started one after the other over the first second, makes of that an even
 * stream. Its own correction for coordinated omission takes 1 ms for the interval whatever the rate, so the latencies
 * are gathered here and corrected with the interval that is true.
 */
export async function drive(options: DriveOptions): Promise<DriveResult> {
  const { url, requests, duration, signal } = options
  const rate = Math.max(1, Math.round(options.rate))
  const perConnection = Math.ceil(rate / MOST_CONNECTIONS)
  const connections = Math.ceil(rate / perConnection)
  const lanes = Math.min(MOST_LANES, connections)
  const latencies: number[] = []
  let answeredInTime = 0
  const errorKinds = new Map<string, number>()
  const count = (kind: string) => errorKinds.set(kind, (errorKinds.get(kind) ?? 0) + 1)

  const lane = async (index: number) => {
    await delay((index * 1_000) / lanes, undefined, { signal })
    const startedAt = performance.now()
    const finished = Promise.withResolvers<void>()
    const instance = autocannon(
      {
        url,
        connections: share(connections, lanes, index),
        overallRate: share(rate, lanes, index),
        duration: duration / 1_000,
        timeout: TIMEOUT_SECONDS,
        // The lanes begin at different requests, so that not all of them ask for the same at once.
        requests: rotated(requests, index).map(path => ({ method: 'GET' as const, path })),
      },
      error => (error ? finished.reject(error) : finished.resolve()),
    )
    instance.on('response', (_client, status, _bytes, milliseconds) => {
      latencies.push(milliseconds)
      if (performance.now() - startedAt < duration) answeredInTime += 1
      if (status >= 400) count(String(status))
      options.onProgress?.(latencies.length)
    })
    instance.on('reqError', error => count(messageOf(error)))
    const stop = () => instance.stop()
    signal.addEventListener('abort', stop, { once: true })
    await finished.promise.finally(() => signal.removeEventListener('abort', stop))
  }

  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
  signal.throwIfAborted()
  return {
    latency: percentiles(withOmitted(latencies, 1_000 / perConnection)),
    throughput: (1_000 * answeredInTime) / duration,
    answers: latencies.length,
    errors: [...errorKinds.values()].reduce((total, errors) => total + errors, 0),
    errorKinds: Object.fromEntries(errorKinds),
  }
}

/** The part of `whole` that falls to one of `parts`: they differ by one at most and add up. */
function share(whole: number, parts: number, index: number): number {
  return Math.floor(whole / parts) + (index < whole % parts ? 1 : 0)
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
