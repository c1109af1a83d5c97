/** Methods that change nothing (RFC 9110 section 9.2.1), and so are reads unless a route says otherwise. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'ANY'])

/** find-my-way's parameter: its name ends at a slash, dash, dot or bracket. `::` is a colon of the path itself. */
const PARAMETER = /::|:[^/.(:-]*/g

/** One entry of a capability's route table. */
export interface Route {
  /** Upper case; `ANY` stands for every method. `GET` answers HEAD as well. */
  readonly method: string
  /** find-my-way's syntax, which is Fastify's: `/items/:id`, and `*` for the rest of a path. */
  readonly path: string
  /** Reads follow the read dial and may be shadowed; writes go to the owner. Null: by method. */
  readonly kind: 'read' | 'write' | null
}

/** How the route is named in metrics, evidence and messages. */
export function routeName(route: Route): string {
  return `${route.method} ${route.path}`
}

/** Whether a request of `method` on this route is a read. */
export function isRead(route: Route, method: string): boolean {
  return route.kind === null ? SAFE_METHODS.has(method) : route.kind === 'read'
}

/** Reads `GET /items/:id`. Returns the route, or a sentence that says what is wrong with it. */
export function parseRoute(text: string, kind: Route['kind'] = null): Route | string {
  const match = /^(\S+)\s+(\/\S*)$/.exec(text.trim())
  if (match === null) return `${JSON.stringify(text)} is not a method and a path, such as 'GET /items/:id'`
  const [, method = '', path = ''] = match
  if (!METHODS.has(method)) return `${method} is not one of ${[...METHODS].join(', ')}`
  const star = path.indexOf('*')
  if (star !== -1 && star !== path.length - 1) return `in ${path} the * must be the last character`
  if (/[?#]/.test(path)) return `${path} holds a query or a fragment; routes match the path alone`
  if (path.match(PARAMETER)?.includes(':'))
    return `in ${path} a parameter has no name; a colon of the path is written ::`
  return { method, path, kind }
}

/** Whether two routes claim the same requests, so that nothing says which of them wins. */
export function claimTheSame(one: Route, other: Route): boolean {
  if (pathShape(one.path) !== pathShape(other.path)) return false
  const methods = [methodOf(one), methodOf(other)]
  return methods[0] === methods[1] || methods.includes('ANY')
}

/** `GET` answers HEAD as well, so the two are one claim. */
function methodOf(route: Route): string {
  return route.method === 'HEAD' ? 'GET' : route.method
}

/** The path without its parameters' names, which make no difference to what it matches, and without a last slash. */
function pathShape(path: string): string {
  return path.replaceAll(PARAMETER, found => (found === '::' ? found : ':')).replace(/(?<=.)\/$/, '')
}
