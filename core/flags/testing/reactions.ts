import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Longest wait for one change to take effect, milliseconds. */
const PATIENCE = 5_000

/** In milliseconds. */
export interface Reactions {
  /** From the end of a change until it was in effect. */
  readonly median: number
  /** The longest time for which this process did not get to run: on a busy machine it cannot react sooner. */
  readonly stalled: number
}

/** Makes the changes one after the other, and measures how long each takes until it is in effect. */
export async function measureReactions<T>(
  values: readonly T[],
  change: (value: T) => Promise<unknown>,
  inEffect: (value: T) => boolean | Promise<boolean>,
): Promise<Reactions> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const took: number[] = []
  for (const value of values) {
    await change(value)
    const changedAt = performance.now()
    while (!(await inEffect(value))) {
      if (performance.now() - changedAt > PATIENCE) throw new Error(`${value} has no effect after ${PATIENCE} ms`)
      await nextTurn()
    }
    took.push(performance.now() - changedAt)
  }
  delay.disable()
  took.sort((a, b) => a - b)
  return { median: took[Math.floor(took.length / 2)] ?? Number.POSITIVE_INFINITY, stalled: delay.max / 1e6 }
}
