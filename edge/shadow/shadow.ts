import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EdgeConfig } from '@ficus/core/config/schema'
import type { Upstream } from '../forward/upstream.ts'
import { askCandidate } from './candidate.ts'
import { Capture, type MirroredRequest } from './capture.ts'
import { compareAnswers, decoded, type IgnoredReason, type ShadowResult, unanswered } from './compare.ts'
import { type IgnoredPaths, parseIgnoredPaths } from './json-difference.ts'

/** The methods that may be sent twice: a mirrored write would be a second write. */
const MIRRORED_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

export interface ShadowOptions {
  readonly config: EdgeConfig['shadow']
  /** Connections of the shadow's own, so that a slow candidate holds none that a user needs. */
  serviceOf(capability: string): Upstream
  /** Told once for every request that was to be mirrored. */
  finished(request: MirroredRequest, result: ShadowResult): void
}

/**
 * Asks the service what the monolith has answered, and compares. It starts when the user's answer is out (invariant 7),
 * holds a bounded number of requests and bytes, and counts everything that it did not compare, with the reason.
 */
export class Shadow {
  readonly #options: ShadowOptions
  readonly #ignored: IgnoredPaths
  readonly #running = new Set<Promise<void>>()

  constructor(options: ShadowOptions) {
    this.#options = options
    this.#ignored = parseIgnoredPaths(options.config.ignore)
  }

  /** Begins to keep the control's answer; null for a method that is not mirrored. */
  capture(request: MirroredRequest): Capture | null {
    if (!MIRRORED_METHODS.has(request.method)) return null
    return new Capture(request, this.#options.config.maxBodyBytes)
  }

  /** Takes over once the user has the whole answer. Returns at once. */
  submit(control: Capture): void {
    const reason = this.#running.size >= this.#options.config.concurrency ? 'shed' : unfit(control)
    if (reason !== null) {
      this.#options.finished(control.request, ignored(reason))
      return
    }
    const work = this.#mirror(control).then(result => {
      this.#running.delete(work)
      this.#options.finished(control.request, result)
    })
    this.#running.add(work)
  }

  /** Counts a request whose user got no whole answer. */
  giveUp(control: Capture): void {
    this.#options.finished(control.request, ignored('control_failed'))
  }

  /** Resolves when nothing is under way, which takes `edge.shadow.timeout` at most. */
  async drain(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #mirror(control: Capture): Promise<ShadowResult> {
    const { config, serviceOf } = this.#options
    // The user's last bytes go to the socket at the end of this turn.
    await nextTurn()
    const candidate = await askCandidate(control.request, serviceOf(control.request.match.capability), config)
    if (candidate === 'too_large') return ignored(candidate)
    if (typeof candidate === 'string') return unanswered(control.answer(), candidate)
    const [left, right] = await Promise.all([
      decoded(control.answer(), config.maxBodyBytes),
      decoded(candidate, config.maxBodyBytes),
    ])
    if (left === null || right === null) return ignored('encoding')
    return compareAnswers(left, right, this.#ignored)
  }
}

function unfit(control: Capture): IgnoredReason | null {
  if (control.tooLarge) return 'too_large'
  if (control.status >= 500) return 'control_failed'
  if (control.status === 206 || control.status === 304) return 'partial'
  if (control.contentType?.startsWith('text/event-stream') === true) return 'stream'
  return null
}

function ignored(reason: IgnoredReason): ShadowResult {
  return Object.freeze({ kind: 'ignored', reason })
}
