import { METHODS } from 'node:http'
import Router, { type HTTPMethod } from 'find-my-way'
import type { Route } from '../config/route.ts'

/** Longer than any request line that Node reads, so that a long parameter is never taken for another route. */
const MAX_PARAM_LENGTH = 1 << 20

/**
 * Finds the route that a request takes, among those of all capabilities: the edge routes by it, and pacts are sliced by
 * it. The most specific path wins and a trailing slash makes no difference. Of equal paths a route that names its method
 * comes before GET's implied HEAD, and that before ANY.
 */
export class RouteMatcher<Entry extends { readonly route: Route }, Found> {
  readonly #router = Router({
    ignoreTrailingSlash: true,
    maxParamLength: MAX_PARAM_LENGTH,
    querystringParser: () => '',
  })
  readonly #foundOf: (entry: Entry, method: string) => Found

  /** @param foundOf makes what `find` gives, once for each method of each route. */
  constructor(entries: readonly Entry[], foundOf: (entry: Entry, method: string) => Found) {
    this.#foundOf = foundOf
    for (const entry of entries) if (entry.route.method !== 'ANY') this.#add(entry, entry.route.method)
    for (const entry of entries) if (entry.route.method === 'GET') this.#add(entry, 'HEAD')
    for (const entry of entries) {
      if (entry.route.method === 'ANY') for (const method of METHODS) this.#add(entry, method)
    }
  }

  /**
   * @param path without a query, as `strictReading` gives it.
   * @returns null where no route takes it.
   */
  find(method: string, path: string): Found | null {
    // The router would decode the path; it has been decoded as far as it should be.
    const literal = /[%#]/.test(path) ? path.replaceAll('%', '%25').replaceAll('#', '%23') : path
    return this.#router.find(method as HTTPMethod, literal)?.store ?? null
  }

  #add(entry: Entry, method: string): void {
    const known = method as HTTPMethod
    if (this.#router.hasRoute(known, entry.route.path)) return
    this.#router.on(known, entry.route.path, () => {}, this.#foundOf(entry, method))
  }
}
