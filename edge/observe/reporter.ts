import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { COUNTS_KEPT } from '@ficus/core/ledger/ledger'
import type { EdgeReport } from '@ficus/core/ledger/records'
import type { Logger } from '@ficus/core/log/logger'
import { addCounts, type CountedMinute, type UnreportedCounts } from './ledger-counts.ts'

export interface ReporterOptions {
  readonly counts: UnreportedCounts
  /** What stands beside the counts: who reports, and the state it acts on. */
  about(): Omit<EdgeReport, 'minutes'>
  report(report: EdgeReport): Promise<void>
  /** The clock of the counts, milliseconds. */
  now(): number
  readonly log: Logger
  /** Milliseconds between two reports. */
  readonly interval: number
}

/**
 * Tells the ledger once a second what was counted, also when nothing was: that is how it knows that this edge lives. What
 * it could not deliver goes with the next report, minute by minute, for as long as the ledger would have kept it.
 */
export class Reporter {
  readonly #options: ReporterOptions
  #undelivered: readonly CountedMinute[] = []
  #timer: NodeJS.Timeout | undefined
  #reporting: Promise<void> | undefined
  #failing = false

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tick(), this.#options.interval)
    this.#timer.unref()
  }

  /** Stops the clock and reports a last time. */
  async drain(): Promise<void> {
    clearInterval(this.#timer)
    await this.#reporting
    await this.#report()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** One report at a time: a ledger that takes longer than a second is not asked twice. */
  async #tick(): Promise<void> {
    if (this.#reporting !== undefined) return
    this.#reporting = this.#report()
    await this.#reporting
    this.#reporting = undefined
  }

  async #report(): Promise<void> {
    const { counts, about, report, now, log } = this.#options
    const due = addCounts(this.#undelivered, counts.take())
    this.#undelivered = []
    const at = now()
    try {
      await report({ ...about(), minutes: due.map(({ since, ...counted }) => ({ age: at - since, ...counted })) })
      this.#failing = false
    } catch (error) {
      this.#undelivered = due.filter(({ since }) => at - since < COUNTS_KEPT)
      if (this.#failing) return
      this.#failing = true
      const code = error instanceof FicusError ? error.code : 'FICUS_INTERNAL'
      log.warn({ code, reason: messageOf(error) }, 'the ledger took no report; the counts are kept')
    }
  }
}
