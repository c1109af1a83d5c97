import type { FlagsState } from '@ficus/core/flags/flags'
import Fastify, { type FastifyInstance } from 'fastify'
import type { EdgeMetrics } from '../observe/metrics.ts'
import type { LedgerHealth } from '../state/routing-state.ts'
import type { CapabilityRouting } from '../state/state-file.ts'

/** What `/ready` answers: 200 while the edge takes requests, else 503. */
export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  /** What is away, so that the edge acts on the last state it knew (invariant 12). */
  readonly degraded: readonly ('ledger' | 'flags')[]
  readonly ledger: LedgerHealth
  readonly flags: FlagsState
  readonly capabilities: Readonly<Record<string, CapabilityRouting>>
}

/** `/metrics`, `/health` and `/ready`, on a listener of their own so that they never hide a path of the monolith. */
export function openManagement(metrics: EdgeMetrics, readiness: () => Readiness): FastifyInstance {
  const app = Fastify({ logger: false })
  app.get('/health', () => ({ status: 'ok' }))
  app.get('/ready', (_request, reply) => {
    const state = readiness()
    return reply.code(state.ready ? 200 : 503).send(state)
  })
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
  return app
}
