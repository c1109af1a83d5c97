import type { Migration } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Plan } from '../decide/planner.ts'
import { openUpstream, type Upstream } from './upstream.ts'

/** The monolith, each capability's service, and for the shadow connections to the services of its own. */
export class Upstreams {
  readonly #monolith: Upstream
  readonly #services = new Map<string, Upstream>()
  readonly #shadows = new Map<string, Upstream>()

  constructor({ monolith, edge, capabilities }: Pick<Migration, 'monolith' | 'edge' | 'capabilities'>) {
    this.#monolith = openUpstream('monolith', 'the monolith', monolith.url, edge.timeouts)
    for (const [name, { service }] of Object.entries(capabilities)) {
      const called = `the service of ${name}`
      this.#services.set(name, openUpstream('service', called, service.url, edge.timeouts))
      const { concurrency } = edge.shadow
      this.#shadows.set(name, openUpstream('service', called, service.url, edge.timeouts, concurrency))
    }
  }

  of(plan: Plan): Upstream {
    return plan.side === 'monolith' || plan.match === null
      ? this.#monolith
      : found(this.#services, plan.match.capability)
  }

  shadow(capability: string): Upstream {
    return found(this.#shadows, capability)
  }

  /** Ends every connection, and with them whatever still runs on one. */
  async stop(): Promise<void> {
    const all = [this.#monolith, ...this.#services.values(), ...this.#shadows.values()]
    await Promise.all(all.map(({ pool }) => pool.destroy()))
  }
}

function found(upstreams: ReadonlyMap<string, Upstream>, capability: string): Upstream {
  const upstream = upstreams.get(capability)
  if (upstream === undefined) throw new FicusError('FICUS_CAPABILITY_UNKNOWN', `there is no capability ${capability}`)
  return upstream
}
