import type { Route } from '@ficus/core/config/route'
import Router from 'find-my-way'

/** Finds the route that a request takes, or null where none does. */
export type RouteOwner = (method: string, path: string) => Route | null

const MAX_PARAM_LENGTH = 1 << 20

/**
 * Matches requests as the edge does, with the same router in the same settings: the most specific path wins, a trailing
 * slash makes no difference, GET answers HEAD, ANY takes the methods that no other route of the same path names.
 */
export function routeOwner(routes: readonly Route[]): RouteOwner {
  const routers = new Map<string, ReturnType<typeof routerFor>>()
  return (method, path) => {
    const router = routers.get(method) ?? routerFor(method, routes)
    routers.set(method, router)
    // The router would decode the path; it has been decoded as far as it should be.
    const found: { store: Route } | null = router.find('GET', decoded(path).replaceAll('%', '%25'))
    return found === null ? null : found.store
  }
}

/** A router of the paths that take `method`, whatever they are called in it: each stands under GET. */
function routerFor(method: string, routes: readonly Route[]) {
  const router = Router({ ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH })
  const named = method === 'HEAD' ? ['HEAD', 'GET', 'ANY'] : [method, 'ANY']
  for (const name of named) {
    for (const route of routes) {
      if (route.method === name && !router.hasRoute('GET', route.path)) router.on('GET', route.path, () => {}, route)
    }
  }
  return router
}

/**
 * Decodes what RFC 3986 section 6.2.2 calls equivalent: not reserved characters such as `%2F`, nor `%25`. Bytes that are
 * not UTF-8 stay as they are.
 */
function decoded(path: string): string {
  return path.replace(/(?:%(?!25)[0-9a-f]{2})+/gi, escapes => {
    try {
      return decodeURI(escapes)
    } catch {
      return escapes
    }
  })
}
