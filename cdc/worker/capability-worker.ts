import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { SyncStatus } from '@ficus/core/ledger/records'
import type { Logger } from '@ficus/core/log/logger'
import { PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import { chooseEngine } from '../change-source/engine.ts'
import { withSession } from '../database/session.ts'
import { withoutValues } from '../database/without-values.ts'
import { type Direction, opposite } from '../mapping/flow.ts'
import { type DropOptions, dropSync, endSync } from '../pipeline/drop.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import { turnIsTaken } from '../pipeline/turn.ts'
import { endpointsOf, loadSyncOf, triggersOf } from './capability-sync.ts'

/** What a phase wants of a capability's rows. */
export type Wish = Direction | 'ended' | 'dropped'

/**
 * The sync that a phase asks for. In `legacy` there is none and nothing may be left of it; in `retired` there is none
 * and the rows stay.
 */
export function wishOf(phase: Phase): Wish {
  const { sync } = PHASE_RULES[phase]
  if (sync !== 'none') return sync
  return phase === 'legacy' ? 'dropped' : 'ended'
}

/** A wish, and the ledger that has it. */
interface Order {
  readonly wish: Wish
  /** The ledger's id. */
  readonly ledger: string
}

/** What failed is begun again after this time, in case somebody has mended it. */
const RETRY_MS = 15_000
/** The same for what may pass by itself. */
const RETRY_SOON_MS = 2_000
/** How often is looked whether the other direction is still carried by another process. */
const STANDBY_MS = 500

/** Brings one capability's sync to where its phase wants it, one step after the other. */
export class CapabilityWorker {
  readonly capability: string
  readonly #loaded: LoadedConfig
  readonly #log: Logger
  readonly #stopping = new AbortController()
  #order: Order | undefined
  #changed = Promise.withResolvers<void>()
  #pipeline: Pipeline | undefined
  #idle: SyncStatus
  #told = ''
  #standsBy = false
  #loop: Promise<void> | undefined

  constructor(loaded: LoadedConfig, capability: string, log: Logger) {
    this.capability = capability
    this.#loaded = loaded
    this.#log = log.child({ capability })
    this.#idle = idleStatus('forward', loaded.migration.cdc.engine, 'stopped', null)
  }

  /**
   * Wants the sync that `phase` asks for from now on. Returns at once.
   * @param ledger the id of the ledger that says so.
   */
  follow(phase: Phase, ledger: string): void {
    const wish = wishOf(phase)
    if (wish === this.#order?.wish && ledger === this.#order.ledger) return
    this.#log.info({ phase, wish, ledger }, 'following the phase')
    this.#order = { wish, ledger }
    this.#changed.resolve()
    this.#loop ??= this.#run()
  }

  /** The state as of now; null while another worker does the work, who tells it better. */
  status(): SyncStatus | null {
    const status = this.#pipeline?.status() ?? this.#idle
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
      const order = this.#order
      const again = order === undefined ? null : await this.#fulfil(order).catch(error => this.#fail(order, error))
      if (signal.aborted || this.#order !== order) continue
      const retry = again === null ? [] : [sleep(again, undefined, { signal }).catch(() => {})]
      await Promise.race([this.#changed.promise, ...retry])
    }
  }

  /** Does what is wished. @returns after how many milliseconds it has to be tried again; null while it holds. */
  async #fulfil(order: Order): Promise<number | null> {
    const { wish, ledger } = order
    await this.#pipeline?.stop()
    if (wish === 'forward' || wish === 'reverse') return this.#carry(wish, order)
    const [remove, state] = wish === 'dropped' ? ([dropSync, 'dropped'] as const) : ([endSync, 'stopped'] as const)
    // Reverse first: it may have been left by a switch, and what it reads is what forward wrote.
    for (const direction of ['reverse', 'forward'] as const) {
      const { existed } = await remove(this.#dropOptions(direction, ledger))
      if (existed) this.#log.info({ direction, wish }, 'removed slot, publication and position')
    }
    this.#rest(idleStatus('forward', this.#loaded.migration.cdc.engine, state, null))
    return null
  }

  async #carry(direction: Direction, order: Order): Promise<number | null> {
    // Whatever was told before ("dropped", say) holds no longer.
    this.#rest(idleStatus(direction, this.#loaded.migration.cdc.engine, 'waiting', null))
    const { source } = endpointsOf(this.#loaded, this.capability, direction)
    // The opposite direction writes to the database that this one reads, and holds its turn there.
    if (await withSession(source, client => turnIsTaken(client, this.capability, opposite(direction)))) {
      if (!this.#standsBy) this.#log.info({ direction }, 'another process still carries the opposite direction')
      this.#standsBy = true
      return STANDBY_MS
    }
    this.#standsBy = false
    const pipeline = await this.#makePipeline(direction, order.ledger)
    if (this.#order !== order) return null
    this.#pipeline = pipeline
    await pipeline.start()
    // It ends only by failing, or because something else is wished.
    const failed = pipeline.ended().then(() => 'ended' as const)
    return (await Promise.race([failed, this.#changed.promise])) === 'ended' ? RETRY_MS : null
  }

  async #makePipeline(direction: Direction, ledger: string): Promise<Pipeline> {
    const { cdc } = this.#loaded.migration
    return new Pipeline({
      capability: this.capability,
      direction,
      ledger,
      ...endpointsOf(this.#loaded, this.capability, direction),
      sync: await loadSyncOf(this.#loaded, this.capability),
      engine: chooseEngine(cdc),
      batchRows: cdc.batchRows,
      copyWorkers: cdc.copyWorkers,
      copyIndexes: cdc.copyIndexes,
      maxParked: cdc.maxParked,
      failoverSlot: cdc.slot.failover,
      triggers: triggersOf(this.#loaded, this.capability, direction),
      onStatus: status => this.#tell(status),
    })
  }

  #dropOptions(direction: Direction, ledger: string): DropOptions {
    const engine = chooseEngine(this.#loaded.migration.cdc)
    return {
      capability: this.capability,
      direction,
      ledger,
      engine,
      ...endpointsOf(this.#loaded, this.capability, direction),
    }
  }

  /** No pipeline works from now on. */
  #rest(status: SyncStatus): void {
    this.#pipeline = undefined
    this.#idle = status
  }

  #fail({ wish }: Order, error: unknown): number {
    const named =
      error instanceof FicusError ? error : new FicusError('FICUS_INTERNAL', withoutValues(error), { cause: error })
    const { code, message, remedy } = named
    const state = named.retry ? 'waiting' : 'failed'
    const direction = wish === 'reverse' ? 'reverse' : 'forward'
    this.#rest(idleStatus(direction, this.#loaded.migration.cdc.engine, state, { code, message, remedy }))
    this.#tell(this.#idle)
    return named.retry ? RETRY_SOON_MS : RETRY_MS
  }

  /** Logs what changed; progress of a copy is for the metrics. */
  #tell(status: SyncStatus): void {
    const now = `${status.direction} ${status.state} ${status.error?.message ?? ''}`
    if (now === this.#told) return
    this.#told = now
    const { direction, state, error } = status
    if (error === null) this.#log.info({ direction, state }, `sync is ${state}`)
    else if (state === 'failed') this.#log.error({ direction, state, ...error }, 'sync has failed')
    else this.#log.warn({ direction, state, ...error }, 'sync waits and tries again')
  }
}

function idleStatus(
  direction: Direction,
  engine: string,
  state: SyncStatus['state'],
  error: SyncStatus['error'],
): SyncStatus {
  return {
    direction,
    engine,
    state,
    copiedRows: 0,
    estimatedRows: 0,
    appliedRows: 0,
    parked: 0,
    lagRows: 0,
    lagSeconds: 0,
    position: null,
    error,
  }
}
