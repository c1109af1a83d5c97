import { randomUUID } from 'node:crypto'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type ClientFeaturesResponse, Unleash } from 'unleash-client'
import type { FlagsConfig } from '../config/schema.ts'
import { FicusError } from '../errors/ficus-error.ts'
import type { Logger } from '../log/logger.ts'
import { readBackup, writeBackup } from './flag-backup.ts'
import type { Flags, FlagsState } from './flags.ts'
import { FlagsHealth } from './flags-health.ts'
import { askUnleash, jsonOf } from './unleash-api.ts'
import { isClientFeatures, UnleashRepository } from './unleash-repository.ts'

/** The client specification that `unleash-client` implements; from 4.2 on the server sends segments beside the flags. */
const CLIENT_SPECIFICATION = '5.2.0'
const APP_NAME = 'ficus'

export type UnleashFlagsConfig = Pick<
  Extract<FlagsConfig, { provider: 'unleash' }>,
  'url' | 'token' | 'environment' | 'pollInterval'
>

export interface UnleashFlagsOptions {
  /** Keeps the flags read last, for a start while the server is down. Absolute. */
  readonly backupFile: string
  readonly log?: Logger
}

/**
 * Dials from an Unleash server. We poll; `unleash-client` evaluates, with its strategies, constraints and segments. A
 * server that is down, slow or refuses the token leaves the last dials in force and is asked again at the next poll.
 */
export class UnleashFlags implements Flags {
  readonly name = 'flags'
  readonly #config: UnleashFlagsConfig
  readonly #backupFile: string
  readonly #log: Logger | undefined
  readonly #health: FlagsHealth
  readonly #repository = new UnleashRepository()
  readonly #instance = randomUUID()
  readonly #agents = { 'http:': new HttpAgent({ keepAlive: true }), 'https:': new HttpsAgent({ keepAlive: true }) }
  readonly #stopping = new AbortController()
  #client: Unleash | undefined
  #timer: NodeJS.Timeout | undefined
  #polling: Promise<void> | undefined
  #etag: string | null = null

  constructor(config: UnleashFlagsConfig, options: UnleashFlagsOptions) {
    this.#config = config
    this.#backupFile = options.backupFile
    this.#log = options.log
    this.#health = new FlagsHealth('unleash', options.log)
  }

  /** Takes the backup's flags, then waits for the server's first answer, 5 s at most; the start never fails for its lack. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const abort = () => this.#stopping.abort()
    signal.addEventListener('abort', abort, { once: true })
    this.#client = this.#createClient()
    await this.#client.start()
    await this.#restore()
    await this.#poll()
    signal.removeEventListener('abort', abort)
    signal.throwIfAborted()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#polling
    this.#client?.destroy()
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  isEnabled(flag: string, key: string): boolean {
    // Whichever of Unleash's stickinesses a person chose for the flag (userId, sessionId, default), it finds the key.
    return this.#client?.isEnabled(flag, { userId: key, sessionId: key }, false) ?? false
  }

  state(): FlagsState {
    return this.#health.state
  }

  #createClient(): Unleash {
    const { url, token, environment } = this.#config
    const client = new Unleash({
      appName: APP_NAME,
      instanceId: this.#instance,
      url: `${url}/api`,
      environment,
      customHeaders: { authorization: token },
      repository: this.#repository,
      // How often a flag was on and off goes to the server, whose page shows it, over connections that stop() can end.
      httpOptions: { agent: ({ protocol }) => this.#agents[protocol === 'https:' ? 'https:' : 'http:'] },
      skipInstanceCountWarning: true,
      disableAutoStart: true,
    })
    // Without a listener the client prints what it cannot do; whether the server answers is known from the poll.
    client.on('error', () => {})
    return client
  }

  async #restore(): Promise<void> {
    try {
      const backup = await readBackup(this.#backupFile, this.#config.url)
      if (backup === null) return
      this.#repository.replace(backup.flags)
      this.#health.restored(backup.synchronizedAt)
    } catch (error) {
      this.#health.failed(error)
    }
  }

  /** One poll; the next one is planned when it has ended, so that a slow server is never asked twice at once. */
  #poll(): Promise<void> {
    this.#polling = this.#fetch()
      .catch(error => {
        if (!this.#stopping.signal.aborted) this.#health.failed(error)
      })
      .finally(() => {
        if (this.#stopping.signal.aborted) return
        this.#timer = setTimeout(() => void this.#poll(), this.#config.pollInterval)
        this.#timer.unref()
      })
    return this.#polling
  }

  async #fetch(): Promise<void> {
    const { url, token } = this.#config
    const answer = await askUnleash(url, '/api/client/features', {
      token,
      tokenSetting: 'flags.token',
      headers: {
        'unleash-appname': APP_NAME,
        'unleash-instanceid': this.#instance,
        'unleash-client-spec': CLIENT_SPECIFICATION,
        'unleash-interval': String(this.#config.pollInterval),
        ...(this.#etag === null ? {} : { 'if-none-match': this.#etag }),
      },
      signal: this.#stopping.signal,
    })
    if (answer.status === 304) return this.#health.worked(new Date())
    const flags = answer.status === 200 ? jsonOf(answer, url) : null
    if (!isClientFeatures(flags)) {
      throw new FicusError('FICUS_FLAGS_UNREACHABLE', `${url} answered ${answer.status} without flags`, {
        remedy: 'Correct flags.url: the address of an Unleash server, without `/api`.',
      })
    }
    const at = new Date()
    this.#etag = answer.etag
    this.#health.worked(at)
    this.#repository.replace(flags)
    await this.#backUp(flags, at)
  }

  /** A backup that cannot be written is no reason to distrust the flags: they are in force. */
  async #backUp(flags: ClientFeaturesResponse, synchronizedAt: Date): Promise<void> {
    try {
      await writeBackup(this.#backupFile, { url: this.#config.url, synchronizedAt, flags })
    } catch (error) {
      this.#log?.warn({ err: error, file: this.#backupFile }, 'the flags cannot be kept for the next start')
    }
  }
}
