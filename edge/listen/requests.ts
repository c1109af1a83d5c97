import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Logger } from '@ficus/core/log/logger'
import type { Plan, Planner } from '../decide/planner.ts'
import { answerError } from '../forward/answer.ts'
import type { Forwarder, ForwarderOptions } from '../forward/forwarder.ts'
import { isSecure, type Peer, type Peers } from '../forward/peer.ts'
import { discardRest } from '../forward/request-body.ts'
import { responseOn, UpgradeExchange } from '../forward/upgrade.ts'
import type { IncomingRequest } from '../route/target.ts'
import type { RequestHandler } from './gateway.ts'

export interface RequestsOptions {
  readonly planner: Planner
  readonly forwarder: Forwarder
  readonly forwarding: ForwarderOptions
  readonly peers: Peers
  readonly log: Logger
  /** Whether the edge takes no more requests. */
  closed(): boolean
  refused(code: string): void
}

/** A request's way through the edge: plan, then forward; whatever cannot be planned is answered here. */
export class Requests implements RequestHandler {
  readonly #options: RequestsOptions
  readonly #upgraded = new Set<Socket>()

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  handle(request: IncomingRequest, response: ServerResponse): void {
    const { forwarder } = this.#options
    this.#withPlan(request, response, (plan, peer) => forwarder.forward(request, response, plan, peer))
  }

  upgrade(request: IncomingRequest, socket: Socket, head: Buffer): void {
    const { forwarding } = this.#options
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket)).once('error', () => socket.destroy())
    const response = responseOn(request, socket)
    this.#withPlan(request, response, (plan, peer) => {
      const upstream = forwarding.upstreamOf(plan)
      new UpgradeExchange(request, response, socket, head, plan, upstream, peer, forwarding).start()
    })
  }

  /** Ends what a closing server does not know of: the sockets that became WebSockets. */
  stop(): void {
    for (const socket of this.#upgraded) socket.destroy()
  }

  #withPlan(request: IncomingRequest, response: ServerResponse, go: (plan: Plan, peer: Peer) => void): void {
    const { planner, peers, closed } = this.#options
    try {
      if (closed()) throw new FicusError('FICUS_EDGE_DRAINING', 'this edge is shutting down')
      if (request.method === 'TRACE') throw new MethodRefused()
      const peer = peers.of(request.socket)
      const plan = planner.plan(request, isSecure(request, peer))
      if (plan instanceof Promise) {
        plan
          .then(late => {
            // Whoever left while their token was verified is not sent upstream.
            if (!response.destroyed) go(late, peer)
          })
          .catch(error => this.#refuse(request, response, error))
      } else go(plan, peer)
    } catch (error) {
      this.#refuse(request, response, error)
    }
  }

  /** Answers a request that no upstream has seen. */
  #refuse(request: IncomingRequest, response: ServerResponse, thrown: unknown): void {
    const { log, refused, forwarding } = this.#options
    if (!(thrown instanceof FicusError)) log.error({ err: thrown }, 'a request failed inside the edge')
    const error =
      thrown instanceof FicusError
        ? thrown
        : new FicusError('FICUS_INTERNAL', 'the edge failed', { cause: messageOf(thrown) })
    refused(error.code)
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    answerError(response, error, { close: forwarding.draining() })
    discardRest(request)
  }
}

class MethodRefused extends FicusError {
  constructor() {
    super('FICUS_REQUEST_INVALID', 'TRACE is refused: it would show what the request carries')
  }

  override get status(): number {
    return 405
  }
}
