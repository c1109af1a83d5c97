import type { EdgeReport } from '@ficus/core/ledger/records'
import { SIDES, type Side } from '@ficus/core/phases/phase'
import type { FinishedExchange } from '../forward/exchange.ts'
import type { MirroredRequest } from '../shadow/capture.ts'
import type { ShadowResult } from '../shadow/compare.ts'

interface Traffic {
  requests: number
  errors: number
}

export type LedgerCounts = Pick<EdgeReport, 'traffic' | 'shadow'>
type ShadowEntry = LedgerCounts['shadow'][number]
type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** What was counted since the ledger was last told. Only requests of capabilities are counted. */
export class UnreportedCounts {
  #traffic = new Map<string, Record<Side, Traffic>>()
  #shadow = new Map<string, Writable<ShadowEntry>>()

  /** An error is an answer of 500 or above, or one that never came whole; a client that left makes none. */
  request({ plan, status, error }: FinishedExchange): void {
    if (plan.match === null) return
    const traffic = this.#trafficOf(plan.match.capability)[plan.side]
    traffic.requests += 1
    if (error !== null || status >= 500) traffic.errors += 1
  }

  shadow(request: MirroredRequest, result: ShadowResult, at: Date): void {
    const counts = this.#shadowOf(request)
    counts[result.kind] += 1
    if (result.kind !== 'mismatched') return
    // The query may hold what is nobody's business; the path names the resource.
    const path = request.target.replace(/\?.*$/, '')
    counts.example = { at: at.toISOString(), method: request.method, path, differences: result.differences }
  }

  /** Hands over all counts and begins anew. */
  take(): LedgerCounts {
    const traffic = [...this.#traffic].flatMap(([capability, sides]) =>
      SIDES.filter(side => sides[side].requests > 0).map(side => ({ capability, side, ...sides[side] })),
    )
    const shadow = [...this.#shadow.values()]
    this.#traffic = new Map()
    this.#shadow = new Map()
    return { traffic, shadow }
  }

  #trafficOf(capability: string): Record<Side, Traffic> {
    const known = this.#traffic.get(capability)
    if (known !== undefined) return known
    const fresh = { monolith: { requests: 0, errors: 0 }, service: { requests: 0, errors: 0 } }
    this.#traffic.set(capability, fresh)
    return fresh
  }

  #shadowOf({ match: { capability, route }, epoch }: MirroredRequest): Writable<ShadowEntry> {
    const key = shadowKey({ capability, epoch, route })
    const known = this.#shadow.get(key)
    if (known !== undefined) return known
    const fresh = { capability, epoch, route, matched: 0, mismatched: 0, ignored: 0, example: null }
    this.#shadow.set(key, fresh)
    return fresh
  }
}

/** The ledger takes each of these once a report. GET and its HEAD are one route to it. */
function shadowKey({ capability, epoch, route }: Pick<ShadowEntry, 'capability' | 'epoch' | 'route'>): string {
  return `${capability} ${epoch} ${route}`
}

/** Adds up two takes, the older first, where the older could not be delivered. */
export function addCounts(older: LedgerCounts, newer: LedgerCounts): LedgerCounts {
  const traffic = new Map<string, LedgerCounts['traffic'][number]>()
  for (const entry of [...older.traffic, ...newer.traffic]) {
    const key = `${entry.capability} ${entry.side}`
    const known = traffic.get(key)
    if (known === undefined) traffic.set(key, entry)
    else
      traffic.set(key, {
        ...entry,
        requests: known.requests + entry.requests,
        errors: known.errors + entry.errors,
      })
  }
  return { traffic: [...traffic.values()], shadow: addShadow([...older.shadow, ...newer.shadow]) }
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
