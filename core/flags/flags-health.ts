import type { ErrorCode } from '../errors/codes.ts'
import { FicusError, messageOf } from '../errors/ficus-error.ts'
import type { Logger } from '../log/logger.ts'
import type { FlagsState } from './flags.ts'

/** What a flag source knows of itself. It is logged when the source fails and when it works again, not at every try. */
export class FlagsHealth {
  readonly #provider: FlagsState['provider']
  readonly #log: Logger | undefined
  #synchronizedAt: Date | null = null
  #error: { code: ErrorCode; message: string } | null = null

  constructor(provider: FlagsState['provider'], log: Logger | undefined) {
    this.#provider = provider
    this.#log = log
  }

  get state(): FlagsState {
    return { provider: this.#provider, synchronizedAt: this.#synchronizedAt, error: this.#error }
  }

  /** @param at when the flags were read whole. */
  worked(at: Date): void {
    this.#synchronizedAt = at
    if (this.#error === null) return
    this.#log?.info({ flags: this.#provider }, 'the flags can be read again')
    this.#error = null
  }

  /** The flags now in force were read at `at`, by an earlier process. */
  restored(at: Date): void {
    this.#synchronizedAt = at
  }

  failed(error: unknown): void {
    const code = error instanceof FicusError ? error.code : 'FICUS_INTERNAL'
    const before = this.#error
    this.#error = { code, message: messageOf(error) }
    if (before?.code !== code) {
      this.#log?.warn({ flags: this.#provider, err: error }, 'the flags cannot be read; the last dials stay in force')
    }
  }
}
