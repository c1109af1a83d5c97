import type { IncomingMessage } from 'node:http'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { isSecure, type Peer } from './peer.ts'

/** Marks a mirrored request, so that a service can leave out side effects; a client cannot set it. */
export const SHADOW_HEADER = 'x-ficus-shadow'
/** Tells who answered; an upstream cannot set it. */
export const SIDE_HEADER = 'x-ficus-side'

type Kind =
  | 'end-to-end'
  | 'hop-by-hop'
  | 'framing'
  | 'host'
  | 'forwarded'
  | 'told-of-client'
  | 'location'
  | 'cache-control'

/** Hop-by-hop fields (RFC 9110 section 7.6.1 and RFC 2616 section 13.5.1), and what the edge itself answers or writes. */
const REQUEST_KINDS: Readonly<Record<string, Kind>> = {
  connection: 'hop-by-hop',
  'keep-alive': 'hop-by-hop',
  'proxy-connection': 'hop-by-hop',
  'proxy-authorization': 'hop-by-hop',
  te: 'hop-by-hop',
  trailer: 'hop-by-hop',
  'transfer-encoding': 'hop-by-hop',
  upgrade: 'hop-by-hop',
  'http2-settings': 'hop-by-hop',
  expect: 'hop-by-hop',
  [SHADOW_HEADER]: 'hop-by-hop',
  'content-length': 'framing',
  host: 'host',
  'x-forwarded-for': 'forwarded',
  'x-forwarded-proto': 'forwarded',
  'x-forwarded-host': 'forwarded',
  forwarded: 'told-of-client',
  'x-real-ip': 'told-of-client',
}

const RESPONSE_KINDS: Readonly<Record<string, Kind>> = {
  connection: 'hop-by-hop',
  'keep-alive': 'hop-by-hop',
  'proxy-connection': 'hop-by-hop',
  'proxy-authenticate': 'hop-by-hop',
  'proxy-authentication-info': 'hop-by-hop',
  te: 'hop-by-hop',
  'transfer-encoding': 'hop-by-hop',
  upgrade: 'hop-by-hop',
  [SIDE_HEADER]: 'hop-by-hop',
  'content-length': 'framing',
  location: 'location',
  'cache-control': 'cache-control',
}

/** Names as they were spelled lately, so that a request costs a look-up a header and no lower-casing. */
class Kinds {
  readonly #table: Readonly<Record<string, Kind>>
  readonly #seen = new Map<string, Kind>()

  constructor(table: Readonly<Record<string, Kind>>) {
    this.#table = table
  }

  of(name: string): Kind {
    const seen = this.#seen.get(name)
    if (seen !== undefined) return seen
    const lower = name.toLowerCase()
    const known = Object.hasOwn(this.#table, lower) ? this.#table[lower] : undefined
    const kind = known ?? (lower.startsWith('x-forwarded-') ? 'told-of-client' : 'end-to-end')
    // Clients choose names, so what is remembered of them is bounded.
    if (this.#seen.size < 1_000) this.#seen.set(name, kind)
    return kind
  }
}

const requestKinds = new Kinds(REQUEST_KINDS)
const responseKinds = new Kinds(RESPONSE_KINDS)

/**
 * The headers that go upstream, as a flat list of names and values in the client's order and spelling: without
 * hop-by-hop fields and those that Connection names, with X-Forwarded-For, -Proto and -Host as the edge knows them. What
 * a peer that is not trusted says of the client is dropped; Host stays the client's.
 *
 * Connection can strip only what the client itself sent: ours are added afterwards, and Host and Content-Length stay.
 *
 * @throws FICUS_REQUEST_INVALID for more than one Host.
 */
export function requestHeaders(request: IncomingMessage, peer: Peer): string[] {
  const { rawHeaders, headers: parsed } = request
  const named = connectionOptions(parsed.connection)
  const headers: string[] = []
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const kind = requestKinds.of(name)
    if (kind === 'end-to-end') {
      if (named?.has(name.toLowerCase())) continue
    } else if (kind === 'told-of-client') {
      if (!peer.trusted || named?.has(name.toLowerCase())) continue
    } else if (kind === 'host') {
      hosts += 1
      if (hosts > 1) throw new FicusError('FICUS_REQUEST_INVALID', 'the request has more than one Host header')
    } else if (kind !== 'framing') continue
    headers.push(name, rawHeaders[i + 1] ?? '')
  }
  const before = peer.trusted ? parsed['x-forwarded-for'] : undefined
  headers.push('x-forwarded-for', before === undefined ? peer.address : `${before}, ${peer.address}`)
  headers.push('x-forwarded-proto', isSecure(request, peer) ? 'https' : 'http')
  const host = (peer.trusted ? parsed['x-forwarded-host'] : undefined) ?? parsed.host
  if (typeof host === 'string') headers.push('x-forwarded-host', host)
  return headers
}

/** What the edge changes in an answer's headers. */
export interface ResponseEdits {
  /** Rewrites an absolute Location. */
  location(value: string): string
  /** The Set-Cookie header of the edge's own, or null. */
  readonly setCookie: string | null
  /** `x-ficus-side`, or null where it is turned off. */
  readonly side: string | null
}

/**
 * The headers that go to the client, as a flat list in the upstream's order and spelling, without hop-by-hop fields and
 * those that Connection names.
 *
 * @param raw names and values as undici reads them: bytes, kept by reading them as latin1.
 */
export function responseHeaders(raw: readonly Buffer[], edits: ResponseEdits): string[] {
  const headers: string[] = []
  let connection: string | undefined
  let caching: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toString('latin1') ?? ''
    const kind = responseKinds.of(name)
    if (kind === 'hop-by-hop') {
      if (name.length === 10 && name.toLowerCase() === 'connection') connection = raw[i + 1]?.toString('latin1')
      continue
    }
    const value = raw[i + 1]?.toString('latin1') ?? ''
    if (kind === 'cache-control' && edits.setCookie !== null) {
      caching = caching === undefined ? value : `${caching}, ${value}`
      continue
    }
    headers.push(name, kind === 'location' ? edits.location(value) : value)
  }
  if (edits.setCookie !== null) {
    headers.push('cache-control', privateCaching(caching), 'set-cookie', edits.setCookie)
  }
  const named = connectionOptions(connection)
  if (named !== null) dropNamed(headers, named)
  if (edits.side !== null) headers.push(SIDE_HEADER, edits.side)
  return headers
}

/**
 * Cache-Control of an answer that carries the edge's cookie. A shared cache must not keep such an answer: it would hand
 * one user's identity to everybody. The user's own cache may keep it as before, and the next answer is as cacheable as
 * its upstream says, since the user has the cookie by then.
 */
export function privateCaching(value: string | undefined): string {
  const directives = (value ?? '').split(',').map(directive => directive.trim())
  const kept = directives.filter(
    directive => directive !== '' && !/^(public|s-maxage|proxy-revalidate)\b/i.test(directive),
  )
  const isPrivate = kept.some(directive => /^(private|no-store)$/i.test(directive))
  return (isPrivate ? kept : ['private', ...kept]).join(', ')
}

/** The lower-case field names in a Connection header, or null where it names none. */
function connectionOptions(value: string | undefined): ReadonlySet<string> | null {
  if (value === undefined || value === 'keep-alive' || value === 'close') return null
  const options = value.split(',').map(option => option.trim().toLowerCase())
  const named = options.filter(option => option !== '' && option !== 'keep-alive' && option !== 'close')
  return named.length === 0 ? null : new Set(named)
}

function dropNamed(headers: string[], named: ReadonlySet<string>): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const name = headers[i] ?? ''
    if (named.has(name.toLowerCase()) && responseKinds.of(name) !== 'framing') headers.splice(i, 2)
  }
}
