import { FicusError, messageOf } from '../errors/ficus-error.ts'
import { isRollout, parseRollouts, type Rollouts, readFlagFile, writeWhole } from './flag-file.ts'
import type { FlagAdmin } from './flags.ts'

/** Sets dials in a JSON file, which is replaced whole. */
export class FileFlagAdmin implements FlagAdmin {
  readonly #path: string

  /** @param path absolute; the file and its folder are created when the first dial is set. */
  constructor(path: string) {
    this.#path = path
  }

  async read(flags: readonly string[]): Promise<ReadonlyMap<string, number | null>> {
    const rollouts = await this.#rollouts()
    return new Map(flags.map(flag => [flag, rollouts.get(flag) ?? null]))
  }

  async set(rollouts: ReadonlyMap<string, number>): Promise<void> {
    refuseBadRollouts(rollouts)
    const all = new Map([...(await this.#rollouts()), ...rollouts])
    const text = `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`
    try {
      await writeWhole(this.#path, text)
    } catch (error) {
      throw new FicusError('FICUS_FLAGS_INVALID', `${this.#path} cannot be written: ${messageOf(error)}`, {
        cause: error,
        remedy: 'Make the file and its folder writable for the user that runs `ficus`.',
      })
    }
  }

  async #rollouts(): Promise<Rollouts> {
    const text = await readFlagFile(this.#path)
    return text === null ? new Map() : parseRollouts(text, this.#path)
  }
}

/** @throws FICUS_FLAGS_INVALID that names every flag whose wished rollout is none; nothing is set then. */
export function refuseBadRollouts(rollouts: ReadonlyMap<string, number>): void {
  const wrong = [...rollouts].filter(([, rollout]) => !isRollout(rollout))
  if (wrong.length === 0) return
  const named = wrong.map(([flag, rollout]) => `${flag} to ${rollout}`).join(', ')
  throw new FicusError('FICUS_FLAGS_INVALID', `cannot set ${named}`, {
    remedy: 'Give a whole percentage from 0 to 100.',
  })
}
