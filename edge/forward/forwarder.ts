import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plan } from '../decide/planner.ts'
import { type IncomingRequest, rawTarget } from '../route/target.ts'
import type { Capture, MirroredRequest } from '../shadow/capture.ts'
import { Exchange, type ExchangeSurroundings } from './exchange.ts'
import { requestHeaders } from './headers.ts'
import type { Peer } from './peer.ts'
import { BodyTooLarge, hasBody, RequestBody } from './request-body.ts'
import { dispatchOptions, type Upstream } from './upstream.ts'

export interface ForwarderOptions extends ExchangeSurroundings {
  readonly maxBodyBytes: number
  upstreamOf(plan: Plan): Upstream
  /** Keeps the answer for a comparison; asked only where the plan says so. */
  capture(request: MirroredRequest): Capture | null
}

/** Sends requests upstream: bytes both ways on undici's dispatch, the raw target and the raw headers. */
export class Forwarder {
  readonly #options: ForwarderOptions

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** @throws FICUS_REQUEST_INVALID before anything was sent. */
  forward(request: IncomingRequest, response: ServerResponse, plan: Plan, peer: Peer): void {
    const options = this.#options
    const headers = requestHeaders(request, peer)
    const body = this.#bodyOf(request, response)
    const upstream = options.upstreamOf(plan)
    const exchange = new Exchange(request, response, plan, upstream, peer, options)
    const method = request.method ?? 'GET'
    const target = rawTarget(request)
    const { match, epoch } = plan
    if (plan.shadow && match !== null) {
      exchange.capture = options.capture({ match, epoch, at: exchange.startedAt, method, target, headers })
    }
    upstream.pool.dispatch(dispatchOptions(upstream, method, target, headers, body), exchange)
  }

  #bodyOf(request: IncomingMessage, response: ServerResponse): RequestBody | null {
    if (!hasBody(request)) return null
    const { maxBodyBytes } = this.#options
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw new BodyTooLarge(maxBodyBytes)
    return new RequestBody(request, response, maxBodyBytes)
  }
}
