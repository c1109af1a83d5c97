import type { FastifyInstance } from 'fastify'
import type { Shop } from '../web/shop.ts'
import { authenticate, register } from './customers.ts'
import { type Customer, requireCustomer } from './sessions.ts'

const shown = ({ id, email, name, isAdmin }: Customer) => ({ id, email, name, is_admin: isAdmin })

export function accountsApi(app: FastifyInstance, { db, sessions }: Shop): void {
  app.post('/api/login', async (request, reply) => {
    const customer = await authenticate(db, request.body)
    await sessions.logIn(await sessions.visitor(request), reply, customer.id)
    return shown(customer)
  })

  app.post('/api/register', async (request, reply) => {
    const customer = await register(db, request.body)
    await sessions.logIn(await sessions.visitor(request), reply, customer.id)
    return reply.code(201).send(shown(customer))
  })

  app.post('/api/logout', async (request, reply) => {
    await sessions.logOut(await sessions.visitor(request), reply)
    return reply.code(204).send()
  })

  app.get('/api/me', async request => shown(requireCustomer(await sessions.visitor(request))))
}
