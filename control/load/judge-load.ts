import type { GatesConfig } from '@ficus/core/config/schema'
import type { Judgement } from '../gate/gate.ts'
import { plural } from '../terminal/words.ts'
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
 * Judges the service beside the monolith under the same load. It fails by its errors, by not reaching a rate that the
 * monolith reached, or by a p99 that is too far above the monolith's. A run that is too small to judge by, a rate that
 * neither side reached, or a monolith that cannot serve as a measure makes it inconclusive.
 */
export function judgeLoad(run: LoadRun, limits: GatesConfig['load']): Judgement {
  const { monolith, service, rate } = run
  const figures = `service ${sideFigures(service)}; monolith ${sideFigures(monolith)}; asked ${rate}/s`
  const say = (verdict: Judgement['verdict'], why?: string): Judgement => ({
    verdict,
    summary: why === undefined ? figures : `${figures}: ${why}`,
  })
  const failing = (side: DriveResult) => side.errors > limits.maxErrors
  const reached = (side: DriveResult) => side.throughput >= RATE_REACHED * rate
  const neitherReached = !reached(monolith) && !reached(service)

  // Errors of the service are its own, unless the monolith has them too on a machine that cannot drive either.
  if (failing(service) && !(neitherReached && failing(monolith))) {
    return say('fail', `the service had more errors than ${limits.maxErrors}`)
  }
  if (neitherReached)
    return say('inconclusive', `neither side reached ${rate}/s: this machine cannot drive it, or both are too slow`)
  if (!reached(service)) return say('fail', `the service did not reach ${rate}/s, the monolith did`)
  if (rate < limits.rate) return say('inconclusive', `gates.load asks for ${limits.rate}/s`)
  if (run.duration < limits.duration) {
    return say('inconclusive', `gates.load asks for ${limits.duration / 1_000} s, this was ${run.duration / 1_000} s`)
  }
  if (service.latency.p99 <= limits.p99FloorMs) return say('pass')
  if (failing(monolith)) return say('inconclusive', `the monolith had ${plural(monolith.errors, 'error')} itself`)
  const ratio = service.latency.p99 / Math.max(monolith.latency.p99, Number.MIN_VALUE)
  if (ratio > limits.maxP99Ratio) {
    return say('fail', `the service's p99 is ${ratio.toFixed(1)} times the monolith's, limit ${limits.maxP99Ratio}`)
  }
  return say('pass')
}

/** `100/s, p99 9.0 ms, 0 errors` */
function sideFigures({ throughput, latency, errors }: DriveResult): string {
  return `${throughput.toFixed(0)}/s, p99 ${ms(latency.p99)}, ${plural(errors, 'error')}`
}

function ms(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`
}
