import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import type { EdgeConfig } from '@ficus/core/config/schema'
import type { Side } from '@ficus/core/phases/phase'
import { buildConnector, type Dispatcher, Pool } from 'undici'

/** A server that the edge forwards to, with its connections. */
export interface Upstream {
  readonly side: Side
  /** As a person knows it: `the monolith`, `the service of catalog`. */
  readonly name: string
  /** `http://host:port`, without a path. */
  readonly origin: string
  /** The path of the configured address, which precedes every target; mostly empty. */
  readonly prefix: string
  /** For TLS: the certificate is checked against the upstream's own name, though Host is the client's. Null without TLS. */
  readonly servername: string | null
  readonly pool: Pool
}

/** Milliseconds that an idle connection is kept: below the 5 s of Node's servers, so that it is not used as they close it. */
const KEEP_ALIVE = 4_000

/** @param connections the most at once; null for as many as there are requests. */
export function openUpstream(
  side: Side,
  name: string,
  address: string,
  timeouts: EdgeConfig['timeouts'],
  connections: number | null = null,
): Upstream {
  const url = new URL(address)
  const pool = new Pool(url.origin, {
    connections,
    pipelining: 1,
    connect: connectorFor(url, timeouts.connect),
    headersTimeout: timeouts.headers,
    bodyTimeout: timeouts.body,
    keepAliveTimeout: KEEP_ALIVE,
  })
  return {
    side,
    name,
    origin: url.origin,
    prefix: url.pathname.replace(/\/$/, ''),
    servername: url.protocol === 'https:' ? url.hostname : null,
    pool,
  }
}

/** @param target the raw target, which follows the upstream's own path. */
export function dispatchOptions(
  upstream: Upstream,
  method: string,
  target: string,
  headers: string[],
  body: Readable | null,
): Dispatcher.DispatchOptions & { servername?: string } {
  const options = { method, path: upstream.prefix === '' ? target : upstream.prefix + target, headers, body }
  // Without a name undici would take it from Host, which is the client's.
  return upstream.servername === null ? options : { ...options, servername: upstream.servername }
}

function connectorFor(url: URL, timeout: number): buildConnector.connector {
  const connect = buildConnector({ timeout })
  const isAddress = isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0
  return ({ servername, ...options }, callback) => {
    // A certificate for an address is checked by the address, which is not a server name.
    const named = isAddress || servername === undefined ? options : { ...options, servername }
    connect(named, (...[error, socket]) => {
      socket?.on('error', tellReset)
      if (error === null) callback(null, socket)
      else callback(error, null)
    })
  }
}

/**
 * undici takes a reset for the end of an answer that has neither a length nor chunks (on macOS some whole answers end
 * so), which would pass a truncated answer for a whole one. It goes by the error's code.
 */
function tellReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'UPSTREAM_RESET'
}
