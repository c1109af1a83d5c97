import type { Route } from '@ficus/core/config/route'
import findMyWay from 'find-my-way'

/** Finds the route that a request takes, or null where none does. */
export type RouteOwner = (method: string, path: string) => Route | null

/**
 * Matches requests as the edge does, with Fastify's own router and its defaults: the most specific path wins, GET
 * answers HEAD, ANY takes the methods that no other route of the same path names. A path that cannot be decoded belongs
 * to no route.
 */
export function routeOwner(routes: readonly Route[]): RouteOwner {
  const routers = new Map<string, ReturnType<typeof routerFor>>()
  return (method, path) => {
    const router = routers.get(method) ?? routerFor(method, routes)
    routers.set(method, router)
    const found: { store: Route } | null = router.find('GET', path)
    return found === null ? null : found.store
  }
}

/** A router of the paths that take `method`, whatever they are called in it: each stands under GET. */
function routerFor(method: string, routes: readonly Route[]) {
  const router = findMyWay()
  const named = method === 'HEAD' ? ['HEAD', 'GET', 'ANY'] : [method, 'ANY']
  for (const name of named) {
    for (const route of routes) {
      if (route.method === name && !router.hasRoute('GET', route.path)) router.on('GET', route.path, () => {}, route)
    }
  }
  return router
}
