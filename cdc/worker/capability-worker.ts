import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { SyncStatus } from '@ficus/core/ledger/records'
import type { Logger } from '@ficus/core/log/logger'
import { PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import { chooseEngine } from '../change-source/engine.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import { endpointsOf, loadSyncOf } from './capability-sync.ts'

/** What a phase wants of a capability's rows. */
export type Wish = 'forward' | 'idle' | 'dropped'

/** The sync that a phase asks for. In `legacy` there is none and nothing may be left of it. */
export function wishOf(phase: Phase): Wish {
  if (phase === 'legacy') return 'dropped'
  return PHASE_RULES[phase].sync === 'forward' ? 'forward' : 'idle'
}

/** What failed is begun again after this time, in case somebody has mended it. */
const RETRY_MS = 15_000

/** Brings one capability's sync to where its phase wants it, one step after the other. */
export class CapabilityWorker {
  readonly capability: string
  readonly #loaded: LoadedConfig
  readonly #log: Logger
  readonly #stopping = new AbortController()
  #wish: Wish | undefined
  #changed = Promise.withResolvers<void>()
  #pipeline: Pipeline | undefined
  #idle: SyncStatus
  #told = ''
  #loop: Promise<void> | undefined

  constructor(loaded: LoadedConfig, capability: string, log: Logger) {
    this.capability = capability
    this.#loaded = loaded
    this.#log = log.child({ capability })
    this.#idle = idleStatus(loaded.migration.cdc.engine, 'stopped', null)
  }

  /** Wants the sync that `phase` asks for from now on. Returns at once. */
  follow(phase: Phase): void {
    const wish = wishOf(phase)
    if (wish === this.#wish) return
    this.#log.info({ phase, wish }, 'following the phase')
    this.#wish = wish
    this.#changed.resolve()
    this.#loop ??= this.#run()
  }

  /** The state as of now; null while another worker does the work, who tells it better. */
  status(): SyncStatus | null {
    if (this.#pipeline === undefined) return this.#idle
    const status = this.#pipeline.status()
    return status.state === 'waiting' && status.error === null ? null : status
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#changed.resolve()
    await this.#loop
    await this.#pipeline?.stop()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      this.#changed = Promise.withResolvers()
      const wish = this.#wish
      const settled = await this.#fulfil(wish).catch(error => this.#fail(error))
      if (signal.aborted || this.#wish !== wish) continue
      const again = settled ? [] : [sleep(RETRY_MS, undefined, { signal }).catch(() => {})]
      await Promise.race([this.#changed.promise, ...again])
    }
  }

  /** Does what is wished. @returns whether it holds; otherwise it has to be tried again. */
  async #fulfil(wish: Wish | undefined): Promise<boolean> {
    if (wish === 'forward') return this.#carryForward()
    await this.#pipeline?.stop()
    if (wish === 'dropped') {
      const pipeline = this.#pipeline ?? (await this.#makePipeline())
      const { existed } = await pipeline.drop()
      if (existed) this.#log.info('removed slot, publication, position and copied rows')
    }
    this.#pipeline = undefined
    this.#idle = idleStatus(this.#loaded.migration.cdc.engine, wish === 'dropped' ? 'dropped' : 'stopped', null)
    return true
  }

  async #carryForward(): Promise<boolean> {
    await this.#pipeline?.stop()
    const pipeline = await this.#makePipeline()
    this.#pipeline = pipeline
    await pipeline.start()
    // It ends only by failing, or because something else is wished.
    const failed = pipeline.ended().then(() => 'ended' as const)
    return (await Promise.race([failed, this.#changed.promise])) !== 'ended'
  }

  async #makePipeline(): Promise<Pipeline> {
    const { cdc } = this.#loaded.migration
    return new Pipeline({
      capability: this.capability,
      direction: 'forward',
      ...endpointsOf(this.#loaded, this.capability, 'forward'),
      sync: await loadSyncOf(this.#loaded, this.capability),
      engine: chooseEngine(cdc),
      batchRows: cdc.batchRows,
      copyWorkers: cdc.copyWorkers,
      onStatus: status => this.#tell(status),
    })
  }

  #fail(error: unknown): boolean {
    const named =
      error instanceof FicusError ? error : new FicusError('FICUS_INTERNAL', messageOf(error), { cause: error })
    const { code, message, remedy } = named
    this.#pipeline = undefined
    const state = named.retry ? 'waiting' : 'failed'
    this.#idle = idleStatus(this.#loaded.migration.cdc.engine, state, { code, message, remedy })
    this.#tell(this.#idle)
    return false
  }

  /** Logs what changed; progress of a copy is for the metrics. */
  #tell(status: SyncStatus): void {
    const now = `${status.state} ${status.error?.message ?? ''}`
    if (now === this.#told) return
    this.#told = now
    const { state, error } = status
    if (error === null) this.#log.info({ state }, `sync is ${state}`)
    else if (state === 'failed') this.#log.error({ state, ...error }, 'sync has failed')
    else this.#log.warn({ state, ...error }, 'sync waits and tries again')
  }
}

function idleStatus(engine: string, state: SyncStatus['state'], error: SyncStatus['error']): SyncStatus {
  return {
    direction: 'forward',
    engine,
    state,
    copiedRows: 0,
    estimatedRows: 0,
    appliedRows: 0,
    lagRows: 0,
    lagSeconds: 0,
    position: null,
    error,
  }
}
