import { isRead, type Route, routeName } from '@ficus/core/config/route'
import { RouteMatcher } from '@ficus/core/route/route-matcher'
import type { Target } from './target.ts'

/** What the route table knows of a request that belongs to a capability. One object for each method of each route. */
export interface RouteMatch {
  readonly capability: string
  /** The route as metrics, evidence and messages name it: `GET /items/:id`. */
  readonly route: string
  readonly isRead: boolean
}

/**
 * The capabilities' routes. What it does not match is the monolith's.
 *
 * Fastify's own router cannot do this: it decodes before it matches, answers 400 to what it cannot decode (`/caf%E9`,
 * which an old application may well serve), and has no second reading to compare with.
 */
export class RouteTable {
  readonly #matcher: RouteMatcher<{ capability: string; route: Route }, RouteMatch>

  constructor(capabilities: Readonly<Record<string, { readonly routes: readonly Route[] }>>) {
    const all = Object.entries(capabilities).flatMap(([capability, { routes }]) =>
      routes.map(route => ({ capability, route })),
    )
    this.#matcher = new RouteMatcher(all, ({ capability, route }, method) => ({
      capability,
      route: routeName(route),
      isRead: isRead(route, method),
    }))
  }

  /**
   * The route of a request: null where it is the monolith's, `ambiguous` where two servers might see it on different
   * routes. Such a target is refused, since one side would answer for another capability, or a write would pass for a read.
   * A target that looks odd but means the same route to everybody passes.
   */
  resolve(method: string, target: Target): RouteMatch | null | 'ambiguous' {
    const match = this.#matcher.find(method, target.strict)
    if (target.loose === null) return match
    const other = this.#matcher.find(method, target.loose)
    return match?.capability === other?.capability && match?.isRead === other?.isRead ? match : 'ambiguous'
  }
}
