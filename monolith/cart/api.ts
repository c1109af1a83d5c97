import type { FastifyInstance } from 'fastify'
import { notFound } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { routeId } from '../web/validation.ts'
import { addToCart, readCart, setCoupon, setQuantity } from './cart.ts'

/** The cart of the session: every route answers with the whole cart. */
export function cartApi(app: FastifyInstance, { db, sessions }: Shop): void {
  app.get('/api/cart', async request => readCart(db, (await sessions.visitor(request)).sessionHash))

  app.post('/api/cart/items', async (request, reply) => {
    const session = await sessions.ensure(await sessions.visitor(request), reply)
    await addToCart(db, session, request.body)
    return readCart(db, session)
  })

  app.put<{ Params: { productId: string } }>('/api/cart/items/:productId', async (request, reply) => {
    const productId = routeId(request.params.productId)
    if (productId === null) throw notFound(`Product ${request.params.productId} in the cart`)
    const session = await sessions.ensure(await sessions.visitor(request), reply)
    await setQuantity(db, session, productId, request.body)
    return readCart(db, session)
  })

  app.put('/api/cart/coupon', async (request, reply) => {
    const session = await sessions.ensure(await sessions.visitor(request), reply)
    await setCoupon(db, session, request.body)
    return readCart(db, session)
  })
}
