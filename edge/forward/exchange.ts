import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FicusError } from '@ficus/core/errors/ficus-error'
import type { Dispatcher } from 'undici'
import type { Plan } from '../decide/planner.ts'
import type { Capture } from '../shadow/capture.ts'
import { answerError } from './answer.ts'
import { type ResponseEdits, responseHeaders } from './headers.ts'
import { isSecure, type Peer } from './peer.ts'
import type { Upstream } from './upstream.ts'
import { upstreamError } from './upstream-error.ts'

/** A forwarded request once it is over, for metrics, the ledger and the log. */
export interface FinishedExchange {
  readonly request: IncomingMessage
  readonly plan: Plan
  /** What the client got; 0 where it got nothing. */
  readonly status: number
  /** Why there was no whole answer; null where there was, or where the client went away. */
  readonly error: FicusError | null
  /** Whether the client went away first. */
  readonly abandoned: boolean
  readonly milliseconds: number
}

/** What an exchange needs of the edge around it. */
export interface ExchangeSurroundings {
  readonly sideHeader: boolean
  /** Whether the edge is shutting down, so that answers end their connections. */
  draining(): boolean
  /** Milliseconds on a clock that never goes back. */
  now(): number
  started(): void
  finished(exchange: Exchange): void
}

/**
 * A body of at most so many bytes that comes in one piece goes to the socket in one piece with its headers: Node joins
 * them where both are text, and latin1 keeps every byte. That saves the vectored write, the dearest call of an answer.
 */
const JOINED_BYTES = 16_384

/**
 * One request on its way to an upstream and its answer on the way back: undici's dispatch handler, which writes what it
 * gets straight to the client. Bytes in, bytes out, with back pressure; nothing is retried.
 *
 * It uses undici's raw callbacks (`onHeaders` with bytes) rather than the newer ones, which parse each header into an
 * object that would only be taken apart again.
 */
export class Exchange implements Dispatcher.DispatchHandler, FinishedExchange, ResponseEdits {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly plan: Plan
  readonly upstream: Upstream
  readonly peer: Peer
  readonly setCookie: string | null
  readonly side: string | null
  readonly startedAt: number
  status = 0
  error: FicusError | null = null
  abandoned = false
  milliseconds = 0
  /** Keeps the answer for the shadow's comparison; null where the request is not mirrored. */
  capture: Capture | null = null
  readonly #around: ExchangeSurroundings
  #abort: ((reason?: Error) => void) | null = null
  #resume: (() => void) | null = null
  #waitsForDrain = false
  /** What Content-Length says; null without one. */
  #length: number | null = null
  /** A small body that came in one piece, until the upstream is done. */
  #whole: Buffer | null = null
  #over = false

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    plan: Plan,
    upstream: Upstream,
    peer: Peer,
    around: ExchangeSurroundings,
  ) {
    this.request = request
    this.response = response
    this.plan = plan
    this.upstream = upstream
    this.peer = peer
    this.setCookie = plan.setCookie
    this.side = around.sideHeader ? upstream.side : null
    this.#around = around
    this.startedAt = around.now()
    around.started()
    response.on('close', () => this.#closed())
  }

  onConnect(abort: (reason?: Error) => void): void {
    if (this.#over) abort()
    else this.#abort = abort
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    if (status < 200) {
      if (status === 103) this.#earlyHints(raw)
      return true
    }
    const { response } = this
    const headers = responseHeaders(raw, this)
    if (this.#around.draining()) headers.push('connection', 'close')
    this.#resume = resume
    if (reason === 'OK' || !isHeaderText(reason)) response.writeHead(status, headers)
    else response.writeHead(status, reason, headers)
    this.status = status
    this.capture?.start(status, raw)
    this.#length = announcedLength(raw)
    // Node would hold the headers back until the body's first byte, which an event stream may not send for long.
    if (this.#length === null) queueMicrotask(() => this.#flushHeaders())
    return true
  }

  onData(chunk: Buffer): boolean {
    this.capture?.add(chunk)
    if (chunk.length === this.#length && chunk.length <= JOINED_BYTES) {
      this.#whole = chunk
      return true
    }
    if (this.response.write(chunk)) return true
    if (!this.#waitsForDrain) {
      this.#waitsForDrain = true
      this.response.on('drain', () => this.#resume?.())
    }
    return false
  }

  onComplete(trailers: string[] | null): void {
    // undici's type says strings; they are the bytes of names and values, like the headers.
    if (trailers !== null && trailers.length > 0) this.response.addTrailers(pairs(trailers))
    if (this.#whole === null) this.response.end()
    else this.response.end(this.#whole.toString('latin1'), 'latin1')
    this.finish()
  }

  onError(cause: Error): void {
    if (this.#over) return
    const error = upstreamError(cause, this.upstream.name)
    this.error = error
    if (this.response.headersSent) this.#cutOff()
    else this.status = answerError(this.response, error, { side: this.side, close: this.#around.draining() })
    this.finish()
  }

  /** An absolute Location on the upstream's own origin leads the client past the edge, so it gets the client's origin. */
  location(value: string): string {
    const own = this.upstream.origin + this.upstream.prefix
    const { host } = this.request.headers
    if (host === undefined || !value.startsWith(own) || !/^(?:[/?#]|$)/.test(value.slice(own.length))) return value
    return `${isSecure(this.request, this.peer) ? 'https' : 'http'}://${host}${value.slice(own.length)}`
  }

  /** The client went away, or the answer is out: the former ends the upstream's work. */
  #closed(): void {
    if (this.#over) return
    this.abandoned = true
    this.finish()
    this.#abort?.()
  }

  /**
   * Part of an answer is out and the rest will never come. A reset says so whatever the framing: a plain end would make
   * an answer without a length look whole.
   */
  #cutOff(): void {
    const { socket } = this.request
    if (socket.destroyed) return
    socket.resetAndDestroy()
  }

  #flushHeaders(): void {
    if (!this.#over && !this.response.destroyed) this.response.flushHeaders()
  }

  /** Node takes one link at a time and throws at what it cannot read; a hint that is lost does no harm. */
  #earlyHints(raw: readonly Buffer[]): void {
    const links = raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toString('latin1').toLowerCase() === 'link')
    const link = links.flatMap(value => value.toString('latin1').split(/,\s*(?=<)/))
    if (link.length === 0 || this.request.httpVersionMinor === 0) return
    try {
      this.response.writeEarlyHints({ link })
    } catch {}
  }

  /** Once, however it ended. */
  protected finish(): void {
    this.#over = true
    this.milliseconds = this.#around.now() - this.startedAt
    this.#around.finished(this)
  }
}

function announcedLength(raw: readonly Buffer[]): number | null {
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.length === 14 && raw[i]?.toString('latin1').toLowerCase() === 'content-length') {
      return Number(raw[i + 1]?.toString('latin1'))
    }
  }
  return null
}

/** Whether Node would take it as a status message. */
function isHeaderText(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}

function pairs(flat: readonly (string | Buffer)[]): [string, string][] {
  const result: [string, string][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([latin1(flat[i]), latin1(flat[i + 1])])
  return result
}

function latin1(text: string | Buffer | undefined): string {
  return typeof text === 'string' ? text : (text?.toString('latin1') ?? '')
}
