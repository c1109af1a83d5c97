import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Control } from '../control.ts'
import type { DriveResult } from './drive.ts'
import type { LoadRun } from './judge-load.ts'

/** Milliseconds in which each side warms up: connections, caches, compiled code. Thrown away. */
const WARM_UP = 1_000

export interface LoadOptions {
  /** Requests a second. */
  readonly rate: number
  /** Milliseconds a side. */
  readonly duration: number
  readonly signal: AbortSignal
  /** @param done milliseconds of @param total */
  onProgress?(done: number, total: number): void
}

/**
 * Drives both sides directly, past the edge, one after the other, with the same requests at the same open rate.
 * @throws FICUS_CONFIG_INVALID where the capability names no requests.
 */
export async function runLoad(control: Control, capability: string, options: LoadOptions): Promise<LoadRun> {
  const { load, service } = control.capability(capability)
  if (load === undefined) {
    throw new FicusError(
      'FICUS_CONFIG_INVALID',
      `capabilities.${capability}.load is missing: there is nothing to send`,
      {
        remedy: `Add capabilities.${capability}.load: { requests: ['/…'] }, the targets that users ask for most.`,
      },
    )
  }
  const { rate, duration, signal } = options
  // Its library takes its time to load, and most commands drive no load.
  const { drive } = await import('./drive.ts')
  const total = 2 * (WARM_UP + duration)
  let finished = 0
  const side = async (url: string): Promise<DriveResult> => {
    const asked = { url, requests: load.requests, rate, signal }
    await drive({ ...asked, duration: WARM_UP })
    finished += WARM_UP
    const startedAt = performance.now()
    const result = await drive({
      ...asked,
      duration,
      onProgress: () => options.onProgress?.(finished + Math.min(duration, performance.now() - startedAt), total),
    })
    finished += duration
    return result
  }
  const monolith = await side(control.loaded.migration.monolith.url)
  return { rate, duration, monolith, service: await side(service.url) }
}
