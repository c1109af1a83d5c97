import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Plan } from '../decide/planner.ts'
import { rawTarget } from '../route/target.ts'
import { Exchange, type ExchangeSurroundings } from './exchange.ts'
import { requestHeaders, responseHeaders } from './headers.ts'
import type { Peer } from './peer.ts'
import { dispatchOptions, type Upstream } from './upstream.ts'

/** Whether a request asks for a WebSocket. Other upgrades (`h2c`) are offers that may be ignored, and are. */
export function asksForWebSocket(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Carries a WebSocket: the upgrade goes upstream, and once the upstream has answered 101 the two sockets are piped, so
 * subprotocols, close codes and back pressure are the two ends' own. An upstream that refuses answers like any other.
 */
export class UpgradeExchange extends Exchange {
  readonly #socket: Socket
  readonly #head: Buffer

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    socket: Socket,
    head: Buffer,
    plan: Plan,
    upstream: Upstream,
    peer: Peer,
    around: ExchangeSurroundings,
  ) {
    super(request, response, plan, upstream, peer, around)
    this.#socket = socket
    this.#head = head
  }

  /** @throws FICUS_REQUEST_INVALID before anything was sent. */
  start(): void {
    const { request, peer, upstream } = this
    const options = dispatchOptions(upstream, 'GET', rawTarget(request), requestHeaders(request, peer), null)
    upstream.pool.dispatch({ ...options, upgrade: 'websocket' }, this)
  }

  onUpgrade(status: number, raw: Buffer[] | string[] | null, upstream: Duplex): void {
    const client = this.#socket
    const lines = [`HTTP/1.1 ${status} Switching Protocols`, 'connection: upgrade', 'upgrade: websocket']
    const headers = responseHeaders(toBuffers(raw ?? []), this)
    for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
    this.response.detachSocket(client)
    client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (this.#head.length > 0) upstream.write(this.#head)
    join(client, upstream)
    this.status = status
    this.finish()
  }
}

function toBuffers(raw: readonly (Buffer | string)[]): Buffer[] {
  return raw.map(text => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text))
}

/** Node leaves an upgraded socket bare; an answer that is no upgrade is written by Node as any other, and is the last. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.on('finish', () => socket.end())
  return response
}

function join(one: Duplex, other: Duplex): void {
  one.pipe(other)
  other.pipe(one)
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
}
