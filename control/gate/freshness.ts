import type { StoredGateResult, Versions } from '@ficus/core/ledger/records'
import { showAge } from '../terminal/words.ts'

/**
 * Why a stored result no longer counts, or null while it does: it must be young, and gathered for exactly the versions
 * that run now (invariant 9).
 * @param now by the ledger's clock, which stamped the result.
 * @param maxAge milliseconds.
 */
export function whyStale(result: StoredGateResult, versions: Versions, now: Date, maxAge: number): string | null {
  const changed = changedVersions(result.versions, versions)
  if (changed.length > 0) return `measured for ${changed.join(', ')}`
  const age = now.getTime() - result.measuredAt.getTime()
  if (age > maxAge) return `measured ${showAge(age)} ago, and counts for ${showAge(maxAge)}`
  return null
}

/** What differs between two sets of versions, such as `service 1.2.0 (1.3.0 runs now)`. */
export function changedVersions(measured: Versions, current: Versions): string[] {
  const parts = new Set([...Object.keys(current), ...Object.keys(measured)])
  return [...parts]
    .filter(part => measured[part] !== current[part])
    .map(part => `${part} ${short(measured[part])} (${short(current[part])} runs now)`)
}

/** Enough of a version to tell it from another: twelve digits of a hash. */
export function short(version: string | undefined): string {
  return version === undefined ? 'none' : version.replace(/^sha256:([0-9a-f]{12})[0-9a-f]*$/, '$1')
}
