import type { FastifyInstance } from 'fastify'

/**
 * Once `app.close()` was called, answers say `connection: close`. Without it a request that was under way leaves its
 * connection open after the answer, and closing waits for the keep-alive time-out.
 */
export function closeConnectionsWhenDraining(app: FastifyInstance): void {
  let draining = false
  app.addHook('preClose', async () => {
    draining = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (draining) reply.header('connection', 'close')
  })
}
