import { randomBytes } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Capability } from '@ficus/core/config/schema'
import type { FlagAdmin } from '@ficus/core/flags/flags'
import { openFlagAdmin } from '@ficus/core/flags/open-flag-admin'
import { connect } from '@ficus/core/ledger/connection'
import { Ledger } from '@ficus/core/ledger/ledger'
import { capabilityOf } from './capability.ts'

/** What every command works with: the config, the ledger and the dials' admin. `await using` closes it. */
export class Control implements AsyncDisposable {
  readonly loaded: LoadedConfig
  readonly ledger: Ledger
  /** Who is written into the journal. */
  readonly actor: string
  /** Tells this operator's lease from everybody else's, those of the same person included. */
  readonly holder: string
  #flagAdmin: FlagAdmin | undefined

  private constructor(loaded: LoadedConfig, ledger: Ledger, actor: string) {
    this.loaded = loaded
    this.ledger = ledger
    this.actor = actor
    this.holder = `${actor} on ${hostname()}, process ${process.pid} (${randomBytes(3).toString('hex')})`
  }

  /**
   * Opens the ledger of a loaded config.
   * @throws FICUS_LEDGER_UNREACHABLE, FICUS_DATABASE_REFUSED.
   */
  static async open(loaded: LoadedConfig, actor: string = systemUser()): Promise<Control> {
    const { ledger, capabilities } = loaded.migration
    return new Control(loaded, await Ledger.open(ledger.url, Object.keys(capabilities)), actor)
  }

  /** @throws FICUS_CAPABILITY_UNKNOWN */
  capability(name: string): Capability {
    return capabilityOf(this.loaded, name)
  }

  /** The name itself, once it is known. @throws FICUS_CAPABILITY_UNKNOWN */
  name(capability: string): string {
    this.capability(capability)
    return capability
  }

  /** @throws FICUS_FLAGS_REFUSED where the config holds no admin token. */
  get flagAdmin(): FlagAdmin {
    this.#flagAdmin ??= openFlagAdmin(this.loaded.migration.flags, this.loaded)
    return this.#flagAdmin
  }

  /** The ledger's clock: what it stamps its records with, whatever this machine's clock says. */
  async now(): Promise<Date> {
    const client = await connect(this.ledger.url, 'the ledger')
    try {
      const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now')
      return rows[0]?.now ?? new Date()
    } finally {
      await client.end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ledger.close()
  }
}

/** The person at the keyboard, as far as the system knows; some containers have users without a name. */
export function systemUser(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.USER) return env.USER
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? '?'}`
  }
}
