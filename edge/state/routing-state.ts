import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { CapabilityState } from '@ficus/core/ledger/records'
import type { Logger } from '@ficus/core/log/logger'
import { type CapabilityRouting, type RoutingSnapshot, readStateFile, writeStateFile } from './state-file.ts'
import type { StateEvents } from './state-source.ts'

/** Where the state that the edge acts on came from. */
export type StateOrigin = 'ledger' | 'file' | 'default'

/** What `/ready` tells of the ledger. */
export interface LedgerHealth {
  readonly origin: StateOrigin
  readonly error: { readonly code: string; readonly message: string } | null
}

/**
 * The phase, owner and epoch of each capability. A news replaces the whole snapshot at once, so a request sees the state
 * before a move or after it and nothing between. Without any news every capability is `legacy`: all goes to the monolith.
 */
export class RoutingState implements StateEvents {
  readonly #names: readonly string[]
  readonly #file: string | null
  readonly #log: Logger
  #snapshot: RoutingSnapshot
  #health: LedgerHealth = { origin: 'default', error: null }

  /** @param file keeps the last state for a start without the ledger; null keeps none. */
  constructor(names: readonly string[], file: string | null, log: Logger) {
    this.#names = names
    this.#file = file
    this.#log = log
    this.#snapshot = this.#merge(this.#restore())
  }

  get(capability: string): CapabilityRouting {
    return this.#snapshot.get(capability) ?? LEGACY
  }

  get snapshot(): RoutingSnapshot {
    return this.#snapshot
  }

  get health(): LedgerHealth {
    return this.#health
  }

  changed(capabilities: readonly CapabilityState[]): void {
    const news = new Map(capabilities.map(({ name, phase, owner, epoch }) => [name, { phase, owner, epoch }]))
    const next = this.#merge(news)
    this.#keep(next)
    this.#snapshot = next
    this.#health = { origin: 'ledger', error: null }
    for (const [capability, { phase, owner, epoch }] of next) {
      this.#log.info({ capability, phase, owner, epoch }, 'routing state')
    }
  }

  lost(error: unknown): void {
    const code = error instanceof FicusError ? error.code : 'FICUS_INTERNAL'
    this.#health = { ...this.#health, error: { code, message: messageOf(error) } }
    this.#log.warn({ code, reason: messageOf(error), origin: this.#health.origin }, 'the ledger is away; going on')
  }

  regained(): void {
    this.#health = { ...this.#health, error: null }
    this.#log.info('the ledger is back')
  }

  #merge(known: RoutingSnapshot): RoutingSnapshot {
    return new Map(this.#names.map(name => [name, known.get(name) ?? LEGACY]))
  }

  #restore(): RoutingSnapshot {
    if (this.#file === null) return new Map()
    try {
      const kept = readStateFile(this.#file)
      if (kept === null) return new Map()
      this.#health = { origin: 'file', error: null }
      return kept
    } catch (error) {
      this.#log.warn(
        { file: this.#file, reason: messageOf(error) },
        'the kept routing state is unreadable; ignoring it',
      )
      return new Map()
    }
  }

  #keep(snapshot: RoutingSnapshot): void {
    if (this.#file === null) return
    try {
      writeStateFile(this.#file, snapshot)
    } catch (error) {
      this.#log.warn(
        { file: this.#file, reason: messageOf(error) },
        'the routing state cannot be kept for the next start',
      )
    }
  }
}

const LEGACY: CapabilityRouting = { phase: 'legacy', owner: 'monolith', epoch: 0 }
