/**
 * A long-lived part of a process. `start` resolves once the part works; `drain` stops taking new work and lets what is
 * under way end; `stop` releases everything and may be called at any time, twice, and after a failed start.
 */
export interface Part {
  readonly name: string
  /** @param signal aborts a start that takes too long; the part then releases what it took. */
  start(signal: AbortSignal): Promise<void>
  drain?(): Promise<void>
  stop(): Promise<void>
}

/** What `Lifecycle` tells while it works. */
export interface LifecycleEvents {
  failed?(part: string, step: 'drain' | 'stop', error: unknown): void
}

/**
 * Starts parts in the order they were added and releases them last-in first-out. When one fails to start, those
 * before it are stopped and the failure is thrown; a part that fails to stop is told and does not keep the others.
 */
export class Lifecycle {
  readonly #parts: Part[] = []
  readonly #events: LifecycleEvents
  #stopping: Promise<void> | undefined

  constructor(events: LifecycleEvents = {}) {
    this.#events = events
  }

  /**
   * Starts `part` and keeps it for release.
   * @throws what the part threw, after it and all earlier parts were stopped; an AbortError where `stop` was called first.
   */
  async add<P extends Part>(part: P, signal: AbortSignal = new AbortController().signal): Promise<P> {
    if (this.#stopping !== undefined) throw aborted(`${part.name} was not started: the process is stopping`)
    try {
      await part.start(signal)
    } catch (error) {
      await this.#attempt(part, 'stop')
      await this.stop()
      throw error
    }
    if (this.#stopping !== undefined) {
      await this.#attempt(part, 'stop')
      throw aborted(`${part.name} was stopped while it started`)
    }
    this.#parts.push(part)
    return part
  }

  /** Drains, then stops every part, last-in first-out. Runs once; later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    const reversed = this.#parts.toReversed()
    for (const part of reversed) await this.#attempt(part, 'drain')
    for (const part of reversed) await this.#attempt(part, 'stop')
  }

  async #attempt(part: Part, step: 'drain' | 'stop'): Promise<void> {
    try {
      await part[step]?.()
    } catch (error) {
      this.#events.failed?.(part.name, step, error)
    }
  }
}

function aborted(message: string): DOMException {
  return new DOMException(message, 'AbortError')
}
