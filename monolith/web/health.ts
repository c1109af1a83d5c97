import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'

/** `/health`: the process is up. `/ready`: its database answers too. */
export function healthApi(app: FastifyInstance, { db, version }: { db: Knex; version: string }): void {
  app.get('/health', { logLevel: 'warn' }, async () => ({ status: 'ok', version }))

  app.get('/ready', { logLevel: 'warn' }, async (request, reply) => {
    try {
      await db.raw('select 1')
      return { status: 'ready' }
    } catch (error) {
      request.log.warn({ err: error }, 'the database does not answer')
      return reply.code(503).send({ status: 'unready', message: 'The database does not answer' })
    }
  })
}
