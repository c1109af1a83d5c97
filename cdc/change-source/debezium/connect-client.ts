import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { shortTrace } from './trace.ts'

/** A connector as Kafka Connect tells it. */
export interface ConnectorStatus {
  /** `RUNNING`, `FAILED`, `PAUSED`, `STOPPED`, `UNASSIGNED`, `RESTARTING`. */
  readonly state: string
  readonly tasks: readonly string[]
  /** Why the connector or one of its tasks failed, shortened. */
  readonly failure: string | null
}

const TIMEOUT_MS = 30_000
/** How long a worker may be joining its group, or about to restart a connector. */
const REBALANCE_PATIENCE_MS = 30_000
const REBALANCE_PAUSE_MS = 250

/** Kafka Connect's REST interface, as far as one connector at a time goes. */
export class ConnectClient {
  readonly #url: string

  /** @param url without a slash at its end. */
  constructor(url: string) {
    this.#url = url
  }

  /** The classes of the connectors that the worker can run. */
  async plugins(): Promise<readonly string[]> {
    const answer = await this.#ask('GET', '/connector-plugins')
    if (!Array.isArray(answer.json)) throw this.#unreachable('lists no connector plugins: is it Kafka Connect?')
    return answer.json.map((plugin: { readonly class?: unknown }) => String(plugin.class))
  }

  /** The connectors' configurations by name. */
  async list(): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
    const answer = await this.#ask('GET', '/connectors?expand=info')
    const entries = Object.entries(answer.json as Record<string, { info: { config: Record<string, string> } }>)
    return new Map(entries.map(([name, { info }]) => [name, info.config]))
  }

  /** Null where there is no such connector. */
  async config(name: string): Promise<Readonly<Record<string, string>> | null> {
    const answer = await this.#ask('GET', `${path(name)}/config`, [404])
    return answer.status === 404 ? null : (answer.json as Record<string, string>)
  }

  /**
   * Makes the connector, or gives it another configuration. Kafka Connect tries the configuration, the database's
   * password included, but not whether the task will run.
   * @throws FICUS_CONNECTOR_FAILED with what is wrong with it.
   */
  async configure(name: string, config: Readonly<Record<string, string>>): Promise<void> {
    const answer = await this.#ask('PUT', `${path(name)}/config`, [400], config)
    if (answer.status !== 400) return
    throw new FicusError('FICUS_CONNECTOR_FAILED', `Kafka Connect refuses connector ${name}: ${answer.message}`, {
      remedy: 'Correct what the message names: settings of ficus.config.ts, or of the Kafka Connect worker.',
    })
  }

  /** Null where there is no such connector, or it is so new that nothing is known of it yet. */
  async status(name: string): Promise<ConnectorStatus | null> {
    const answer = await this.#ask('GET', `${path(name)}/status`, [404])
    return answer.status === 404 ? null : readStatus(answer.json as StatusAnswer)
  }

  /** Starts the connector and its tasks anew where they failed. */
  async restartFailed(name: string): Promise<void> {
    await this.#ask('POST', `${path(name)}/restart?includeTasks=true&onlyFailed=true`, [404])
  }

  async resume(name: string): Promise<void> {
    await this.#ask('PUT', `${path(name)}/resume`)
  }

  /** Ends the tasks; the connector stays known. */
  async stop(name: string): Promise<void> {
    await this.#ask('PUT', `${path(name)}/stop`, [404])
  }

  /** Forgets where a stopped connector stood. */
  async deleteOffsets(name: string): Promise<void> {
    await this.#ask('DELETE', `${path(name)}/offsets`, [404])
  }

  async delete(name: string): Promise<void> {
    await this.#ask('DELETE', path(name), [404])
  }

  async #ask(method: string, target: string, expected: readonly number[] = [], body?: unknown): Promise<Answer> {
    const deadline = performance.now() + REBALANCE_PATIENCE_MS
    for (;;) {
      const answer = await this.#send(method, target, body)
      if (answer.status < 300 || expected.includes(answer.status)) return answer
      if (!isRebalancing(answer) || performance.now() > deadline) {
        throw this.#unreachable(`answers ${answer.status} to ${method} ${target}: ${answer.message}`)
      }
      await sleep(REBALANCE_PAUSE_MS)
    }
  }

  async #send(method: string, target: string, body: unknown): Promise<Answer> {
    try {
      const response = await fetch(`${this.#url}${target}`, {
        method,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const json: unknown = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : null
      return { status: response.status, json, message: messageIn(json) ?? text.slice(0, 500) }
    } catch (error) {
      throw this.#unreachable(`does not answer: ${reasonOf(error)}`, error)
    }
  }

  #unreachable(why: string, cause?: unknown): FicusError {
    return new FicusError('FICUS_KAFKA_UNREACHABLE', `Kafka Connect at ${this.#url} ${why}`, { cause })
  }
}

/** It answers 409 then, or where that is said by another worker's thread, 500 (seen). */
function isRebalancing({ status, message }: Answer): boolean {
  return status === 409 || (status === 500 && message.includes('because a rebalance is'))
}

interface Answer {
  readonly status: number
  readonly json: unknown
  readonly message: string
}

interface StatusAnswer {
  readonly connector: { readonly state: string; readonly trace?: string }
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[]
}

function readStatus({ connector, tasks }: StatusAnswer): ConnectorStatus {
  const failed = [connector, ...tasks].find(({ state }) => state === 'FAILED')
  return {
    state: connector.state,
    tasks: tasks.map(({ state }) => state),
    failure: failed === undefined ? null : shortTrace(failed.trace ?? 'it tells no reason'),
  }
}

function path(name: string): string {
  return `/connectors/${encodeURIComponent(name)}`
}

function messageIn(json: unknown): string | null {
  if (typeof json !== 'object' || json === null || !('message' in json)) return null
  return String(json.message).trim()
}

/** fetch hides why it failed in its cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? messageOf(error.cause) : messageOf(error)
}
