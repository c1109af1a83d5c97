import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { pendingMigrations } from '../database/migrate.ts'

/**
 * - GET /health: 200 `{status: 'ok', version}` while the process lives.
 * - GET /ready: 200 when the database answers and is migrated; else 503 with the reason.
 */
export function registerHealth(app: FastifyInstance, db: Knex, version: string): void {
  app.get('/health', { logLevel: 'warn' }, async () => ({ status: 'ok', version }))

  app.get('/ready', { logLevel: 'warn' }, async (_request, reply) => {
    const reason = await notReadyBecause(db)
    return reason === null ? { status: 'ready' } : reply.code(503).send({ status: 'not ready', reason })
  })
}

async function notReadyBecause(db: Knex): Promise<string | null> {
  try {
    const pending = await pendingMigrations(db)
    return pending.length === 0 ? null : `migrations have yet to run: ${pending.join(', ')}`
  } catch (error) {
    return `the database does not answer: ${error instanceof Error ? error.message : String(error)}`
  }
}
