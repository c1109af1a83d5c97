import type pg from 'pg'
import type { Part } from '../lifecycle/part.ts'
import { connectLedger } from './connection.ts'
import type { Ledger } from './ledger.ts'
import type { CapabilityState } from './records.ts'

/** What a watch tells. */
export interface LedgerWatchEvents {
  /** The state of every capability, at the start and whenever any of them moved. */
  changed(capabilities: readonly CapabilityState[]): void
  /** The ledger cannot be read; whoever watches goes on with the last state (invariant 12). */
  lost?(error: unknown): void
  /** It was read again; what moved meanwhile has been told before this. */
  regained?(): void
}

/**
 * Follows the ledger: LISTEN for the moment something moves, and a slow poll behind it, so that a lost connection or
 * a notification that never came delays news and does not lose it.
 */
export class LedgerWatch implements Part {
  readonly name = 'ledger watch'
  readonly #ledger: Ledger
  readonly #events: LedgerWatchEvents
  readonly #pollMs: number
  #listener: pg.Client | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #lost: boolean
  #last = ''
  #refreshing: Promise<void> | undefined
  #again = false

  /**
   * @param options.pollMs milliseconds between two reads that nothing asked for.
   * @param options.lost whether a loss was told before this watch: its first read is then told as `regained`.
   */
  constructor(ledger: Ledger, events: LedgerWatchEvents, { pollMs = 2_000, lost = false } = {}) {
    this.#ledger = ledger
    this.#events = events
    this.#pollMs = pollMs
    this.#lost = lost
  }

  async start(): Promise<void> {
    await this.#refresh()
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#refreshing
    await this.#listener?.end().catch(() => {})
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => void this.#refresh().finally(() => this.#schedule()), this.#pollMs)
    this.#timer.unref()
  }

  /** One read at a time; a notification during a read asks for one more, since that read may have been too early. */
  #refresh(): Promise<void> {
    if (this.#refreshing !== undefined) {
      this.#again = true
      return this.#refreshing
    }
    this.#refreshing = this.#readUntilQuiet().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #readUntilQuiet(): Promise<void> {
    do {
      this.#again = false
      await this.#read()
    } while (this.#again && !this.#stopped)
  }

  async #read(): Promise<void> {
    try {
      await this.#listen()
      const capabilities = await this.#ledger.capabilities()
      if (this.#stopped) return
      const now = JSON.stringify(capabilities)
      if (now !== this.#last) this.#events.changed(capabilities)
      this.#last = now
      if (!this.#lost) return
      this.#lost = false
      this.#events.regained?.()
    } catch (error) {
      if (this.#lost || this.#stopped) return
      this.#lost = true
      this.#events.lost?.(error)
    }
  }

  async #listen(): Promise<void> {
    if (this.#listener !== undefined || this.#stopped) return
    const client = await connectLedger(this.#ledger.url, 'ficus ledger watch')
    client.on('notification', () => void this.#refresh())
    client.on('end', () => {
      if (this.#listener === client) this.#listener = undefined
    })
    try {
      await client.query('LISTEN ficus')
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
    this.#listener = client
  }
}
