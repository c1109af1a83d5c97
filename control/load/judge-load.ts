import type { GatesConfig } from '@ficus/core/config/schema'
import type { Judgement } from '../gate/gate.ts'
import type { DriveResult } from './drive.ts'

/** Below this share of the asked rate a side did not keep up. */
const RATE_REACHED = 0.95

/** A load run: what was asked of both sides, and what each did. */
export interface LoadRun {
  /** Requests a second. */
  readonly rate: number
  /** Milliseconds. */
  readonly duration: number
  readonly monolith: DriveResult
  readonly service: DriveResult
}

/**
 * Judges the service beside the monolith under the same load. It fails by its errors, by not reaching the rate, or by a
 * p99 that is too far above the monolith's. A run that is too small to judge by, or a monolith that cannot serve as a
 * measure, makes it inconclusive.
 */
export function judgeLoad(run: LoadRun, limits: GatesConfig['load']): Judgement {
  const { monolith, service } = run
  const ratio = service.latency.p99 / Math.max(monolith.latency.p99, Number.MIN_VALUE)
  const figures =
    `service p99 ${ms(service.latency.p99)}, monolith ${ms(monolith.latency.p99)} at ${run.rate}/s; ` +
    `${service.errors} errors, ${service.throughput.toFixed(0)}/s reached`
  const say = (verdict: Judgement['verdict'], why?: string): Judgement => ({
    verdict,
    summary: why === undefined ? figures : `${figures}: ${why}`,
  })

  if (service.errors > limits.maxErrors) return say('fail', `more errors than ${limits.maxErrors}`)
  if (service.throughput < RATE_REACHED * run.rate) return say('fail', `the service did not reach ${run.rate}/s`)
  if (run.rate < limits.rate) return say('inconclusive', `gates.load asks for ${limits.rate}/s`)
  if (run.duration < limits.duration) {
    return say('inconclusive', `gates.load asks for ${limits.duration / 1_000} s, this was ${run.duration / 1_000} s`)
  }
  if (service.latency.p99 <= limits.p99FloorMs) return say('pass')
  if (monolith.errors > limits.maxErrors)
    return say('inconclusive', `the monolith had ${monolith.errors} errors itself`)
  if (ratio > limits.maxP99Ratio) {
    return say('fail', `${ratio.toFixed(1)} times the monolith's, limit ${limits.maxP99Ratio}`)
  }
  return say('pass')
}

function ms(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`
}
