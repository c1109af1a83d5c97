import type { FastifyInstance } from 'fastify'
import { requireCustomer } from '../accounts/sessions.ts'
import { invalid } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { placeOrder } from './checkout.ts'
import { cancelOrder, findOrder, listOrders } from './order-store.ts'

type ByNumber = { Params: { number: string } }

/** Checkout, and the orders of whoever is logged in. */
export function ordersApi(app: FastifyInstance, { db, sessions }: Shop): void {
  app.post('/api/checkout', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const customer = requireCustomer(visitor)
    if (visitor.sessionHash === null) throw invalid({ cart: 'is empty' })
    const number = await placeOrder(db, visitor.sessionHash, customer, request.body)
    return reply
      .code(201)
      .header('location', `/api/orders/${number}`)
      .send(await findOrder(db, number, customer.id))
  })

  app.get('/api/orders', async request => {
    const customer = requireCustomer(await sessions.visitor(request))
    const orders = await listOrders(db, { customerId: customer.id })
    return {
      items: orders.map(({ number, status, placed_at, total, currency, units }) => ({
        number,
        status,
        placed_at,
        total,
        currency,
        units,
      })),
    }
  })

  app.get<ByNumber>('/api/orders/:number', async request => {
    const customer = requireCustomer(await sessions.visitor(request))
    return findOrder(db, request.params.number, customer.id)
  })

  app.post<ByNumber>('/api/orders/:number/cancel', async request => {
    const customer = requireCustomer(await sessions.visitor(request))
    await cancelOrder(db, request.params.number, customer)
    return findOrder(db, request.params.number, customer.id)
  })
}
