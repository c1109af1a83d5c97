import type { IncomingMessage } from 'node:http'
import { strictReading } from '@ficus/core/route/strict-reading'

/** A request with the target as it came: Fastify keeps it beside the one that it routes by. */
export interface IncomingRequest extends IncomingMessage {
  originalUrl?: string
}

/** The request target as the client sent it; this is what goes upstream. */
export function rawTarget(request: IncomingRequest): string {
  return request.originalUrl ?? request.url ?? '/'
}

/**
 * A request target as routing reads it. The raw target is what goes upstream, untouched; these copies only say which
 * route it is.
 *
 * Servers disagree about some targets: whether `%2F` separates segments, whether `//` is `/`, what `..`, `\` and
 * `;version=1` mean. So an unusual path has two readings: `strict`, which decodes only what RFC 3986 section 6.2.2 calls
 * equivalent, and `loose`, in which all of that has been undone as the most forgiving server would. `RouteTable.resolve`
 * refuses a target whose readings lead to different routes.
 */
export interface Target {
  readonly strict: string
  /** Null where every server reads the path alike, which is nearly always. */
  readonly loose: string | null
}

/** Anything that two servers might read differently: escapes, `\`, `;`, `#`, empty segments, dot segments. */
const UNUSUAL = /[%\\;#]|\/\/|\/\.{1,2}(?:\/|$)/

/** Reads a raw target. Null where it is not in origin form (`/path?query`), the only form a gateway serves. */
export function readTarget(raw: string): Target | null {
  if (raw.charCodeAt(0) !== 0x2f) return null
  const query = raw.indexOf('?')
  const path = query === -1 ? raw : raw.slice(0, query)
  if (!UNUSUAL.test(path)) return { strict: path, loose: null }
  const strict = strictReading(path)
  const loose = looseReading(strict)
  return { strict, loose: loose === strict ? null : loose }
}

function looseReading(strict: string): string {
  const path = strict
    .replace(/%2f|%5c|\\/gi, '/')
    .replace(/%3b/gi, ';')
    .replace(/(?:#|%23|\0).*$/i, '')
    .replace(/;[^/]*/g, '')
    .replace(/\/{2,}/g, '/')
  return withoutDotSegments(path)
}

/** RFC 3986 section 5.2.4, for a path that starts with `/` and has no empty segments. */
function withoutDotSegments(path: string): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  for (const segment of segments) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  if (last === '.' || last === '..') kept.push('')
  return `/${kept.join('/')}`
}
