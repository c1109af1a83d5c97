import { isDeepStrictEqual } from 'node:util'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { ConnectClient, ConnectorStatus } from './connect-client.ts'
import { connectorFailed, REMOVED } from './connector.ts'

/** So many times in a row Kafka Connect may be silent while changes are read from Kafka. */
const SILENCES = 5
/** A worker that went away is given up by the others after this time, ms; so long a task may be without one. */
const UNASSIGNED_MS = 60_000

/** Looks whether a connector does its work, while what it wrote is read. */
export class ConnectorWatch {
  readonly #connect: ConnectClient
  readonly #name: string
  readonly #config: Readonly<Record<string, string>>
  #silences = 0
  /** Since when no task runs; performance.now(). */
  #idleSince: number | null = null

  constructor(connect: ConnectClient, name: string, config: Readonly<Record<string, string>>) {
    this.#connect = connect
    this.#name = name
    this.#config = config
  }

  /**
   * @throws FICUS_CONNECTOR_FAILED where it does not work, was paused, removed or given another configuration;
   *   FICUS_KAFKA_UNREACHABLE where Kafka Connect has not answered for a while.
   */
  async look(): Promise<void> {
    try {
      const status = await this.#connect.status(this.#name)
      const config = await this.#connect.config(this.#name)
      this.#silences = 0
      this.#judge(status, config)
    } catch (error) {
      const unreachable = error instanceof FicusError && error.code === 'FICUS_KAFKA_UNREACHABLE'
      if (!unreachable) throw error
      this.#silences += 1
      if (this.#silences >= SILENCES) throw error
    }
  }

  #judge(status: ConnectorStatus | null, config: Readonly<Record<string, string>> | null): void {
    if (status === null || config === null) throw this.#failed(REMOVED)
    if (status.failure !== null) throw this.#failed(status.failure)
    if (status.state === 'PAUSED' || status.state === 'STOPPED') {
      throw this.#failed(`somebody has ${status.state.toLowerCase()} it`)
    }
    if (!isDeepStrictEqual(config, { ...this.#config, name: this.#name })) {
      throw this.#failed(`somebody has changed its configuration: ${differing(config, this.#config)}`)
    }
    const runs = status.state === 'RUNNING' && status.tasks.some(state => state === 'RUNNING')
    this.#idleSince = runs ? null : (this.#idleSince ?? performance.now())
    if (this.#idleSince !== null && performance.now() - this.#idleSince > UNASSIGNED_MS) {
      const tasks = status.tasks.join(', ') || 'none'
      throw this.#failed(
        `for ${UNASSIGNED_MS / 1000} s no worker runs it; its state is ${status.state}, tasks ${tasks}`,
      )
    }
  }

  #failed(reason: string): FicusError {
    return connectorFailed(this.#name, reason)
  }
}

/** Names settings, not their values: a password may be among them. */
function differing(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): string {
  const names = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...names].filter(name => name !== 'name' && one[name] !== other[name]).join(', ')
}
