import type { MinuteCounts } from '@ficus/core/ledger/records'
import { SIDES, type Side } from '@ficus/core/phases/phase'
import type { FinishedExchange } from '../forward/exchange.ts'
import type { MirroredRequest } from '../shadow/capture.ts'
import type { ShadowResult } from '../shadow/compare.ts'

interface Traffic {
  requests: number
  errors: number
}

type TrafficEntry = MinuteCounts['traffic'][number]
type ShadowEntry = MinuteCounts['shadow'][number]
type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** What was counted within one minute of the edge's clock. */
export interface CountedMinute extends Omit<MinuteCounts, 'age'> {
  /** When the first of it was counted, milliseconds since the epoch. */
  readonly since: number
}

/** What was counted since the ledger was last told, by the minute. Only requests of capabilities are counted. */
export class UnreportedCounts {
  #minutes = new Map<number, OpenMinute>()

  /**
   * An error is an answer of 500 or above, or one that never came whole; a client that left makes none.
   * @param at milliseconds since the epoch.
   */
  request({ plan, status, error }: FinishedExchange, at: number): void {
    if (plan.match === null) return
    const traffic = this.#minuteOf(at).trafficOf(plan.match.capability)[plan.side]
    traffic.requests += 1
    if (error !== null || status >= 500) traffic.errors += 1
  }

  /** Counts for the minute in which the request was mirrored, however late the comparison ends. */
  shadow(request: MirroredRequest, result: ShadowResult): void {
    const counts = this.#minuteOf(request.at).shadowOf(request)
    counts[result.kind] += 1
    if (result.kind !== 'mismatched') return
    const at = new Date(request.at).toISOString()
    // The query may hold what is nobody's business; the path names the resource.
    const path = request.target.replace(/\?.*$/, '')
    counts.example = { at, method: request.method, path, differences: result.differences }
  }

  /** Hands over all counts, the oldest minute first, and begins anew. */
  take(): CountedMinute[] {
    const minutes = [...this.#minutes.values()].sort((a, b) => a.since - b.since)
    this.#minutes = new Map()
    return minutes.map(minute => minute.counted())
  }

  #minuteOf(at: number): OpenMinute {
    const index = minuteIndex(at)
    let minute = this.#minutes.get(index)
    if (minute === undefined) {
      minute = new OpenMinute(at)
      this.#minutes.set(index, minute)
    }
    minute.since = Math.min(minute.since, at)
    return minute
  }
}

/** One minute's counts while they grow. */
class OpenMinute {
  since: number
  readonly #traffic = new Map<string, Record<Side, Traffic>>()
  readonly #shadow = new Map<string, Writable<ShadowEntry>>()

  constructor(since: number) {
    this.since = since
  }

  trafficOf(capability: string): Record<Side, Traffic> {
    const known = this.#traffic.get(capability)
    if (known !== undefined) return known
    const fresh = { monolith: { requests: 0, errors: 0 }, service: { requests: 0, errors: 0 } }
    this.#traffic.set(capability, fresh)
    return fresh
  }

  shadowOf({ match: { capability, route }, epoch }: MirroredRequest): Writable<ShadowEntry> {
    const key = shadowKey({ capability, epoch, route })
    const known = this.#shadow.get(key)
    if (known !== undefined) return known
    const fresh = { capability, epoch, route, matched: 0, mismatched: 0, ignored: 0, example: null }
    this.#shadow.set(key, fresh)
    return fresh
  }

  counted(): CountedMinute {
    const traffic = [...this.#traffic].flatMap(([capability, sides]) =>
      SIDES.filter(side => sides[side].requests > 0).map(side => ({ capability, side, ...sides[side] })),
    )
    return { since: this.since, traffic, shadow: [...this.#shadow.values()] }
  }
}

function minuteIndex(at: number): number {
  return Math.floor(at / 60_000)
}

/** The ledger takes each of these once a minute. GET and its HEAD are one route to it. */
function shadowKey({ capability, epoch, route }: Pick<ShadowEntry, 'capability' | 'epoch' | 'route'>): string {
  return `${capability} ${epoch} ${route}`
}

/** Adds up two takes, the older first, where the older could not be delivered. Minutes stay apart. */
export function addCounts(older: readonly CountedMinute[], newer: readonly CountedMinute[]): CountedMinute[] {
  const minutes = new Map<number, CountedMinute>()
  for (const minute of [...older, ...newer]) {
    const index = minuteIndex(minute.since)
    const known = minutes.get(index)
    minutes.set(index, known === undefined ? minute : addMinutes(known, minute))
  }
  return [...minutes.values()].sort((a, b) => a.since - b.since)
}

function addMinutes(older: CountedMinute, newer: CountedMinute): CountedMinute {
  return {
    since: Math.min(older.since, newer.since),
    traffic: addTraffic([...older.traffic, ...newer.traffic]),
    shadow: addShadow([...older.shadow, ...newer.shadow]),
  }
}

function addTraffic(entries: readonly TrafficEntry[]): readonly TrafficEntry[] {
  const merged = new Map<string, TrafficEntry>()
  for (const entry of entries) {
    const key = `${entry.capability} ${entry.side}`
    const known = merged.get(key)
    merged.set(
      key,
      known === undefined
        ? entry
        : { ...entry, requests: known.requests + entry.requests, errors: known.errors + entry.errors },
    )
  }
  return [...merged.values()]
}

function addShadow(entries: readonly ShadowEntry[]): readonly ShadowEntry[] {
  const merged = new Map<string, ShadowEntry>()
  for (const entry of entries) {
    const key = shadowKey(entry)
    const known = merged.get(key)
    merged.set(
      key,
      known === undefined
        ? entry
        : {
            ...entry,
            matched: known.matched + entry.matched,
            mismatched: known.mismatched + entry.mismatched,
            ignored: known.ignored + entry.ignored,
            example: entry.example ?? known.example,
          },
    )
  }
  return [...merged.values()]
}
