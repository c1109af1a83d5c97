import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { registerHealth } from './operations/health.ts'
import { registerMetrics } from './operations/metrics.ts'
import { productsApi } from './products/api.ts'
import { providerStatesApi } from './provider-states/provider-states.ts'
import { taxonomyApi } from './taxonomy/api.ts'
import { closeConnectionsWhenDraining } from './web/drain.ts'
import { answerProblems } from './web/problem-answer.ts'

export interface AppOptions {
  /** The catalog's database, migrated; the caller ends it. */
  readonly db: Knex
  /** What a write must bring in `x-api-key`. */
  readonly adminApiKey: string
  /** What `/health` answers, so that one build is told from another. */
  readonly version: string
  /** No log without one. */
  readonly log?: FastifyBaseLogger
  /** Registers `POST /_pact/provider-states`, which empties and writes tables. */
  readonly providerStates?: boolean
}

/** The whole service, ready to `listen` or `inject`. */
export function createApp({ db, adminApiKey, version, log, providerStates = false }: AppOptions): FastifyInstance {
  const app = fastify({
    ...(log && { loggerInstance: log }),
    bodyLimit: 2 * 1024 * 1024,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
  })
  closeConnectionsWhenDraining(app)
  answerProblems(app)
  registerMetrics(app)
  registerHealth(app, db, version)
  taxonomyApi(app, { db })
  productsApi(app, { db, adminApiKey })
  if (providerStates) providerStatesApi(app, db)
  return app
}
