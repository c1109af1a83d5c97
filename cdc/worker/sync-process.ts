import { hostname } from 'node:os'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import { messageOf } from '@ficus/core/errors/ficus-error'
import { Ledger } from '@ficus/core/ledger/ledger'
import type { CapabilityState, SyncStatus } from '@ficus/core/ledger/records'
import { LedgerWatch } from '@ficus/core/ledger/watch'
import type { Part } from '@ficus/core/lifecycle/part'
import type { Logger } from '@ficus/core/log/logger'
import { CapabilityWorker } from './capability-worker.ts'

const REPORT_MS = 1_000
const LEDGER_RETRY_MS = 1_000

/** What the process says of itself. */
export interface SyncReadiness {
  /** The phases were read at least once. */
  readonly ready: boolean
  readonly ledger: 'reachable' | 'away'
  readonly capabilities: Readonly<Record<string, SyncStatus | null>>
}

/**
 * All capabilities of a migration: follows their phases in the ledger and tells it how sync fares. While the ledger is
 * away, rows flow on as its last word wants.
 */
export class SyncProcess implements Part {
  readonly name = 'sync'
  readonly #loaded: LoadedConfig
  readonly #log: Logger
  readonly #worker: string
  readonly #workers: ReadonlyMap<string, CapabilityWorker>
  #ledger: Ledger | undefined
  #watch: LedgerWatch | undefined
  #opening: Promise<void> | undefined
  #timers: { retry?: NodeJS.Timeout; report?: NodeJS.Timeout; follow?: NodeJS.Timeout } = {}
  #reporting: Promise<void> | undefined
  #heard: readonly CapabilityState[] = []
  #following: Promise<void> = Promise.resolve()
  #ready = false
  #away = false
  #stopped = false

  constructor(loaded: LoadedConfig, log: Logger) {
    this.#loaded = loaded
    this.#log = log
    this.#worker = `${hostname()}:${process.pid}`
    const names = Object.keys(loaded.migration.capabilities)
    this.#workers = new Map(names.map(name => [name, new CapabilityWorker(loaded, name, log)]))
  }

  async start(): Promise<void> {
    this.#opening = this.#open()
    await this.#opening
    this.#timers.report = setInterval(() => {
      this.#reporting ??= this.#report().finally(() => {
        this.#reporting = undefined
      })
    }, REPORT_MS)
  }

  readiness(): SyncReadiness {
    return {
      ready: this.#ready && !this.#stopped,
      ledger: this.#away ? 'away' : 'reachable',
      capabilities: Object.fromEntries(this.statuses()),
    }
  }

  /** Null for what another process carries. */
  statuses(): [capability: string, status: SyncStatus | null][] {
    return [...this.#workers].map(([capability, worker]) => [capability, worker.status()])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timers.retry)
    clearTimeout(this.#timers.follow)
    clearInterval(this.#timers.report)
    await this.#opening
    await this.#watch?.stop()
    await this.#following
    await Promise.all([...this.#workers.values()].map(worker => worker.stop()))
    await this.#reporting
    await this.#report()
    await this.#closeLedger()
  }

  async #open(): Promise<void> {
    try {
      const { url } = this.#loaded.migration.ledger
      this.#ledger = await Ledger.open(url, [...this.#workers.keys()])
      this.#watch = new LedgerWatch(this.#ledger, {
        changed: states => this.#hear(states),
        lost: error => this.#lost(error),
        regained: () => this.#regained(),
      })
      await this.#watch.start()
    } catch (error) {
      this.#lost(error)
      await this.#closeLedger()
      if (this.#stopped) return
      this.#timers.retry = setTimeout(() => {
        this.#opening = this.#open()
      }, LEDGER_RETRY_MS)
    }
  }

  /** Lets go of what was opened, so that it may be opened anew. */
  async #closeLedger(): Promise<void> {
    await this.#watch?.stop()
    await this.#ledger?.close()
    this.#watch = undefined
    this.#ledger = undefined
  }

  #hear(states: readonly CapabilityState[]): void {
    this.#heard = states
    this.#following = this.#following.then(() => this.#follow())
  }

  /**
   * Tells the workers what was heard last, and which ledger says so. The id is read after the phases: should another
   * database have taken the ledger's place in between, it is the newer one's, which has no say over what was begun.
   */
  async #follow(): Promise<void> {
    if (this.#stopped || this.#ledger === undefined) return
    const states = this.#heard
    try {
      const ledger = await this.#ledger.id()
      this.#regained()
      this.#ready = true
      for (const { name, phase } of states) this.#workers.get(name)?.follow(phase, ledger)
    } catch (error) {
      this.#lost(error)
      if (!this.#stopped) this.#timers.follow = setTimeout(() => this.#hear(this.#heard), LEDGER_RETRY_MS)
    }
  }

  async #report(): Promise<void> {
    for (const [capability, status] of this.statuses()) {
      if (status === null) continue
      try {
        await this.#ledger?.reportSync(capability, this.#worker, status)
      } catch (error) {
        this.#lost(error)
        return
      }
    }
  }

  #lost(error: unknown): void {
    if (!this.#away) this.#log.warn({ reason: messageOf(error) }, 'the ledger is away; sync goes on with its last word')
    this.#away = true
  }

  #regained(): void {
    if (this.#away) this.#log.info('the ledger is back')
    this.#away = false
  }
}
