import type { FlagsConfig } from '../config/schema.ts'
import { FicusError } from '../errors/ficus-error.ts'
import { refuseBadRollouts } from './file-admin.ts'
import type { FlagAdmin } from './flags.ts'
import { askUnleash, excerpt, jsonOf, type UnleashAnswer, type UnleashRequest } from './unleash-api.ts'

export type UnleashAdminConfig = Pick<
  Extract<FlagsConfig, { provider: 'unleash' }>,
  'url' | 'project' | 'environment'
> & {
  readonly adminToken: string
}

/** Unleash's name for a sticky share: https://docs.getunleash.io/reference/activation-strategies */
const GRADUAL_ROLLOUT = 'flexibleRollout'

interface Strategy {
  readonly id: string
  readonly name: string
  readonly rollout: number
}

/** Sets dials through the admin API of an Unleash server: one gradual rollout a flag, sticky on the user. */
export class UnleashFlagAdmin implements FlagAdmin {
  readonly #config: UnleashAdminConfig

  constructor(config: UnleashAdminConfig) {
    this.#config = config
  }

  async read(flags: readonly string[]): Promise<ReadonlyMap<string, number | null>> {
    const rollouts = new Map<string, number | null>()
    for (const flag of flags) rollouts.set(flag, await this.#rollout(flag))
    return rollouts
  }

  async set(rollouts: ReadonlyMap<string, number>): Promise<void> {
    refuseBadRollouts(rollouts)
    const done: string[] = []
    for (const [flag, rollout] of rollouts) {
      try {
        await this.#create(flag)
        await this.#replaceStrategies(flag, rollout)
        await this.#expect(this.#environmentPath(flag, '/on'), { method: 'POST' })
        done.push(flag)
      } catch (error) {
        throw withProgress(error, flag, done)
      }
    }
  }

  /** Null where the flag does not exist; 0 where it is off; of several strategies the one that reaches most users. */
  async #rollout(flag: string): Promise<number | null> {
    const answer = await this.#ask(this.#flagPath(flag))
    if (answer.status === 404) return null
    this.#refuse(answer, [200])
    const environments = listOf(jsonOf(answer, this.#config.url), 'environments')
    const environment = environments.find(({ name }) => name === this.#config.environment)
    if (environment?.enabled !== true) return 0
    const strategies = listOf(environment, 'strategies').filter(({ disabled }) => disabled !== true)
    return strategies.length === 0 ? 100 : Math.max(...strategies.map(strategy => toStrategy(strategy).rollout))
  }

  async #create(flag: string): Promise<void> {
    const answer = await this.#ask(this.#flagPath(flag))
    if (answer.status !== 404) return this.#refuse(answer, [200])
    const created = await this.#ask(this.#flagsPath(), {
      method: 'POST',
      json: { name: flag, type: 'operational', description: 'A dial of a Ficus migration; `ficus route` sets it.' },
    })
    // Somebody else may have created it meanwhile. Then its strategies are found below, unless it is in another project.
    if (created.status === 409 && (await this.#ask(this.#flagPath(flag))).status === 200) return
    this.#refuse(created, [201])
  }

  /** Changes the first gradual rollout in place, so that no moment is without one, then takes all other strategies away. */
  async #replaceStrategies(flag: string, rollout: number): Promise<void> {
    const path = this.#environmentPath(flag, '/strategies')
    const found = jsonOf(await this.#expect(path), this.#config.url)
    const strategies = Array.isArray(found) ? found.map(toStrategy) : []
    const kept = strategies.find(({ name }) => name === GRADUAL_ROLLOUT)
    const json = {
      name: GRADUAL_ROLLOUT,
      parameters: { rollout: String(rollout), stickiness: 'userId', groupId: flag },
      constraints: [],
      segments: [],
      disabled: false,
    }
    if (kept === undefined) await this.#expect(path, { method: 'POST', json })
    else await this.#expect(`${path}/${encodeURIComponent(kept.id)}`, { method: 'PUT', json })
    for (const strategy of strategies.filter(candidate => candidate !== kept)) {
      await this.#expect(`${path}/${encodeURIComponent(strategy.id)}`, { method: 'DELETE' })
    }
  }

  #ask(path: string, request: Pick<UnleashRequest, 'method' | 'json'> = {}): Promise<UnleashAnswer> {
    const { url, adminToken } = this.#config
    return askUnleash(url, path, { token: adminToken, tokenSetting: 'flags.adminToken', ...request })
  }

  async #expect(path: string, request: Pick<UnleashRequest, 'method' | 'json'> = {}): Promise<UnleashAnswer> {
    const answer = await this.#ask(path, request)
    this.#refuse(answer, [200, 201, 202, 204])
    return answer
  }

  #refuse(answer: UnleashAnswer, expected: readonly number[]): void {
    if (expected.includes(answer.status)) return
    const { url, project, environment } = this.#config
    throw new FicusError(
      'FICUS_FLAGS_REFUSED',
      `the flag server at ${url} answered ${answer.status}: ${excerpt(answer.text)}`,
      { remedy: `Do as it says; flags.project is ${project} and flags.environment is ${environment}.` },
    )
  }

  #flagsPath(): string {
    return `/api/admin/projects/${encodeURIComponent(this.#config.project)}/features`
  }

  #flagPath(flag: string): string {
    return `${this.#flagsPath()}/${encodeURIComponent(flag)}`
  }

  #environmentPath(flag: string, rest: '/on' | '/strategies'): string {
    return `${this.#flagPath(flag)}/environments/${encodeURIComponent(this.#config.environment)}${rest}`
  }
}

/** Puts the flag, and those that were set before it, into the failure's message. */
function withProgress(error: unknown, flag: string, done: readonly string[]): unknown {
  if (!(error instanceof FicusError)) return error
  const before = done.length === 0 ? 'nothing was set before it' : `set before it: ${done.join(', ')}`
  return new FicusError(error.code, `${flag} was not set, ${before}: ${error.message}`, {
    cause: error,
    remedy: error.remedy,
    details: { failed: flag, set: done },
  })
}

function toStrategy(value: Readonly<Record<string, unknown>>): Strategy {
  const parameters = isRecord(value.parameters) ? value.parameters : {}
  const name = String(value.name)
  return { id: String(value.id), name, rollout: name === GRADUAL_ROLLOUT ? Number(parameters.rollout ?? 0) : 100 }
}

function listOf(value: unknown, key: string): readonly Readonly<Record<string, unknown>>[] {
  const list = isRecord(value) ? value[key] : undefined
  return Array.isArray(list) ? list.filter(isRecord) : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
