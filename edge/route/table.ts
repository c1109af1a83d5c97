import { METHODS } from 'node:http'
import { isRead, type Route, routeName } from '@ficus/core/config/route'
import Router, { type HTTPMethod } from 'find-my-way'
import type { Target } from './target.ts'

/** What the route table knows of a request that belongs to a capability. One object for each method of each route. */
export interface RouteMatch {
  readonly capability: string
  /** The route as metrics, evidence and messages name it: `GET /items/:id`. */
  readonly route: string
  readonly isRead: boolean
}

/** Longer than any request line that Node reads, so that a long parameter is never taken for another route. */
const MAX_PARAM_LENGTH = 1 << 20

/**
 * The capabilities' routes. What it does not match is the monolith's.
 *
 * Fastify's own router cannot do this: it decodes before it matches, answers 400 to what it cannot decode (`/caf%E9`,
 * which an old application may well serve), and has no second reading to compare with.
 */
export class RouteTable {
  readonly #router = Router({
    ignoreTrailingSlash: true,
    maxParamLength: MAX_PARAM_LENGTH,
    querystringParser: () => '',
  })

  constructor(capabilities: Readonly<Record<string, { readonly routes: readonly Route[] }>>) {
    const all = Object.entries(capabilities).flatMap(([capability, { routes }]) =>
      routes.map(route => ({ capability, route })),
    )
    // A route that names its method comes before GET's implied HEAD, and that before ANY.
    for (const { capability, route } of all) if (route.method !== 'ANY') this.#add(capability, route, route.method)
    for (const { capability, route } of all) if (route.method === 'GET') this.#add(capability, route, 'HEAD')
    for (const { capability, route } of all) {
      if (route.method === 'ANY') for (const method of METHODS) this.#add(capability, route, method)
    }
  }

  /**
   * The route of a request: null where it is the monolith's, `ambiguous` where two servers might see it on different
   * routes. Such a target is refused, since one side would answer for another capability, or a write would pass for a read.
   * A target that looks odd but means the same route to everybody passes.
   */
  resolve(method: string, target: Target): RouteMatch | null | 'ambiguous' {
    const match = this.#find(method, target.strict)
    if (target.loose === null) return match
    const other = this.#find(method, target.loose)
    return match?.capability === other?.capability && match?.isRead === other?.isRead ? match : 'ambiguous'
  }

  #add(capability: string, route: Route, method: string): void {
    const known = method as HTTPMethod
    if (this.#router.hasRoute(known, route.path)) return
    const match: RouteMatch = { capability, route: routeName(route), isRead: isRead(route, method) }
    this.#router.on(known, route.path, () => {}, match)
  }

  #find(method: string, path: string): RouteMatch | null {
    // The router would decode the path; it has been decoded as far as it should be.
    const literal = /[%#]/.test(path) ? path.replaceAll('%', '%25').replaceAll('#', '%23') : path
    return this.#router.find(method as HTTPMethod, literal)?.store ?? null
  }
}
