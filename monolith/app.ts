import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { createSessions } from './accounts/sessions.ts'
import { catalogApi } from './catalog/api.ts'
import { healthApi } from './web/health.ts'
import { answerProblems } from './web/problem-answer.ts'

export interface AppOptions {
  /** The shop's database; the caller ends it. */
  readonly db: Knex
  /** What the header `x-api-key` must hold for writes to the catalog without an administrator's session. */
  readonly adminApiKey: string
  /** Shown by GET /health. */
  readonly version: string
  /** No log without one. */
  readonly logger?: FastifyBaseLogger
  /** Registers `POST /_pact/provider-states`, which empties and writes tables. */
  readonly providerStates?: boolean
}

/** The whole shop, ready to `listen` or `inject`. Requires a migrated database. */
export function createApp(options: AppOptions): FastifyInstance {
  const { db, adminApiKey, version } = options
  const app = fastify({
    ...(options.logger && { loggerInstance: options.logger }),
    bodyLimit: 2 * 1024 * 1024,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
  })
  app.register(cookie)
  app.register(formbody)
  const sessions = createSessions(db)
  answerProblems(app)
  healthApi(app, { db, version })
  catalogApi(app, { db, sessions, adminApiKey })
  return app
}
