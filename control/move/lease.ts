import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Control } from '../control.ts'

/** How long a lease lasts without renewal: how long others wait after an operator's machine went down. */
const LEASE_MS = 15_000

/**
 * Does `work` as the only operator of a capability. The lease is renewed while the work goes on and released after it,
 * however it ends.
 * @param work gets a signal that aborts when `signal` does, or when the lease is lost.
 * @throws FICUS_LEASE_HELD where somebody else has the lease, at the start or because it could not be renewed in time.
 */
export async function withLease<T>(
  control: Control,
  capability: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { ledger, holder } = control
  await ledger.takeLease(capability, holder, LEASE_MS)
  const lost = new AbortController()
  const either = AbortSignal.any([signal, lost.signal])
  let renewedAt = Date.now()
  const renewal = setInterval(async () => {
    try {
      await ledger.takeLease(capability, holder, LEASE_MS)
      renewedAt = Date.now()
    } catch (error) {
      const held = error instanceof FicusError && error.code === 'FICUS_LEASE_HELD'
      if (held || Date.now() - renewedAt > LEASE_MS) lost.abort(error)
    }
  }, LEASE_MS / 3)
  try {
    return await orAborted(work(either), either)
  } finally {
    clearInterval(renewal)
    // An unreachable ledger lets the lease run out by itself.
    await ledger.releaseLease(capability, holder).catch(() => {})
  }
}

/** Whichever comes first: the work's end, or the abort, for work that does not listen to the signal. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
