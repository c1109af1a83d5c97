import { FicusError } from '@ficus/core/errors/ficus-error'
import { Ledger } from '@ficus/core/ledger/ledger'
import type { EdgeReport } from '@ficus/core/ledger/records'
import { LedgerWatch } from '@ficus/core/ledger/watch'
import type { StateEvents, StateSource } from './state-source.ts'

/** Milliseconds between two tries to open a ledger that is away. */
const RETRY = 1_000
/** Milliseconds between two times that old counts are removed. */
const FORGET = 3_600_000

/** The ledger, opened as soon as it can be: an edge starts without it (invariant 12). */
export class LedgerSource implements StateSource {
  readonly #url: string
  readonly #capabilities: readonly string[]
  #ledger: Ledger | undefined
  #watch: LedgerWatch | undefined
  #retry: NodeJS.Timeout | undefined
  #opening: Promise<void> | undefined
  #forgetAt = 0
  #stopped = false

  constructor(url: string, capabilities: readonly string[]) {
    this.#url = url
    this.#capabilities = capabilities
  }

  follow(events: StateEvents): Promise<void> {
    this.#opening = this.#open(events, true)
    return this.#opening
  }

  async report(report: EdgeReport): Promise<void> {
    if (this.#ledger === undefined) {
      throw new FicusError('FICUS_LEDGER_UNREACHABLE', 'the ledger could not be opened yet')
    }
    await this.#ledger.reportEdge(report)
    if (Date.now() < this.#forgetAt) return
    this.#forgetAt = Date.now() + FORGET
    await this.#ledger.forgetOldCounts()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    await this.#opening
    await this.#watch?.stop()
    await this.#ledger?.close()
  }

  async #open(events: StateEvents, first: boolean): Promise<void> {
    try {
      const ledger = await Ledger.open(this.#url, this.#capabilities)
      const watch = new LedgerWatch(ledger, events, { lost: !first })
      try {
        await watch.start()
      } catch (error) {
        await watch.stop()
        await ledger.close()
        throw error
      }
      this.#ledger = ledger
      this.#watch = watch
    } catch (error) {
      if (first) events.lost(error)
      if (this.#stopped) return
      this.#retry = setTimeout(() => {
        this.#opening = this.#open(events, false)
      }, RETRY)
      this.#retry.unref()
    }
  }
}
