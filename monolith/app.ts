import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { accountsApi } from './accounts/api.ts'
import { accountsPages } from './accounts/pages.ts'
import { createSessions } from './accounts/sessions.ts'
import { backOfficePages } from './back-office/pages.ts'
import { productPages } from './back-office/product-pages.ts'
import { cartApi } from './cart/api.ts'
import { cartPages } from './cart/pages.ts'
import { catalogApi } from './catalog/api.ts'
import { catalogPages } from './catalog/pages.ts'
import { ordersApi } from './orders/api.ts'
import { ordersPages } from './orders/pages.ts'
import { providerStateRoutes } from './provider-states/provider-states.ts'
import { reviewsApi } from './reviews/api.ts'
import { stockApi } from './stock/api.ts'
import { healthApi } from './web/health.ts'
import { createPages } from './web/pages.ts'
import { pictureRoutes } from './web/picture.ts'
import { answerProblems } from './web/problem-answer.ts'
import type { Shop } from './web/shop.ts'

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
  // A form without fields has no body, which the routes read as an empty one.
  app.addHook('preValidation', async request => {
    if (request.method !== 'GET') request.body ??= {}
  })

  // A connection that stays open after its answer would keep the process from ending.
  let draining = false
  app.addHook('preClose', async () => {
    draining = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (draining) reply.header('connection', 'close')
  })

  const shop: Shop = { db, sessions: createSessions(db), pages: createPages(app, db) }
  answerProblems(app, shop)
  healthApi(app, { db, version })
  pictureRoutes(app)

  catalogApi(app, { db, sessions: shop.sessions, adminApiKey })
  for (const api of [accountsApi, cartApi, ordersApi, reviewsApi, stockApi]) api(app, shop)
  for (const pages of [catalogPages, accountsPages, cartPages, ordersPages, backOfficePages, productPages]) {
    pages(app, shop)
  }
  if (options.providerStates) providerStateRoutes(app, db)
  return app
}
