import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { FicusError } from '../errors/ficus-error.ts'
import type { Logger } from '../log/logger.ts'
import { parseRollouts, type Rollouts, readFlagFile } from './flag-file.ts'
import { type Flags, type FlagsState, inRollout } from './flags.ts'
import { FlagsHealth } from './flags-health.ts'

export interface FileFlagsOptions {
  /** Milliseconds between two looks at the file, for file systems that tell nobody of a change. */
  readonly pollMs?: number
  readonly log?: Logger
}

/**
 * Dials from a JSON file. Its folder is watched rather than the file, since editors and `ficus route` put a new file in
 * the old one's place, and a mounted ConfigMap puts a new folder behind a link whose name starts with `..`. Behind the
 * watch is a slow poll. A file that is missing or broken leaves the last dials in force.
 */
export class FileFlags implements Flags {
  readonly name = 'flags'
  readonly #path: string
  readonly #pollMs: number
  readonly #health: FlagsHealth
  #rollouts: Rollouts = new Map()
  #text: string | null = null
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined
  #again = false
  #stopped = false

  /** @param path absolute. */
  constructor(path: string, options: FileFlagsOptions = {}) {
    this.#path = path
    this.#pollMs = options.pollMs ?? 1_000
    this.#health = new FlagsHealth('file', options.log)
  }

  async start(): Promise<void> {
    this.#watch()
    await this.#refresh()
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#watcher?.close()
    this.#watcher = undefined
    await this.#reading
  }

  isEnabled(flag: string, key: string): boolean {
    return inRollout(flag, key, this.#rollouts.get(flag) ?? 0)
  }

  state(): FlagsState {
    return this.#health.state
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#watch()
      void this.#refresh().finally(() => this.#schedule())
    }, this.#pollMs)
    this.#timer.unref()
  }

  /** A folder that cannot be watched (yet) is polled, and tried again with each poll. */
  #watch(): void {
    if (this.#watcher !== undefined || this.#stopped) return
    const own = basename(this.#path)
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, changed) => {
        if (changed === null || changed === own || changed.startsWith('..')) void this.#refresh()
      })
      watcher.on('error', () => {
        watcher.close()
        this.#watcher = undefined
      })
      this.#watcher = watcher
    } catch {
      this.#watcher = undefined
    }
  }

  /** One read at a time; a change during a read asks for one more, since that read may have been too early. */
  #refresh(): Promise<void> {
    this.#again = true
    this.#reading ??= this.#readUntilQuiet().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readUntilQuiet(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      await this.#read()
    }
  }

  async #read(): Promise<void> {
    try {
      const text = await readFlagFile(this.#path)
      if (text === null) throw new FicusError('FICUS_FLAGS_INVALID', `there is no flag file ${this.#path}`)
      const rollouts = text === this.#text ? null : parseRollouts(text, this.#path)
      this.#health.worked(new Date())
      if (rollouts === null || this.#stopped) return
      this.#text = text
      this.#rollouts = rollouts
    } catch (error) {
      this.#health.failed(error)
    }
  }
}
