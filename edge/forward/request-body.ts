import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { FicusError } from '@ficus/core/errors/ficus-error'

/** Milliseconds that a client may go on sending after its answer. */
const LINGER = 2_000

/** Whether a request has a body, which its framing alone tells (RFC 9112 section 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** The error of a body that is larger than `edge.maxBodyBytes`; answered with 413. */
export class BodyTooLarge extends FicusError {
  constructor(limit: number) {
    super('FICUS_REQUEST_INVALID', `the request's body is larger than the ${limit} bytes that this edge forwards`)
  }

  override get status(): number {
    return 413
  }
}

/**
 * A request's body on its way upstream: bytes as they come, counted, with back pressure. It stands between the request
 * and undici because undici destroys the body of a request that was answered early, and the client's connection, which
 * must carry that answer, would go with it.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #limit: number
  #bytes = 0
  #reading = false

  constructor(request: IncomingMessage, response: ServerResponse, limit: number) {
    super()
    this.#request = request
    this.#response = response
    this.#limit = limit
    // Whoever reads the body sees its error; without a reader it must not end the process.
    this.on('error', () => {})
  }

  override _read(): void {
    if (this.#reading) {
      this.#request.resume()
      return
    }
    this.#reading = true
    // A client that asked first is told to go on once the upstream takes the body.
    if (this.#request.headers.expect !== undefined) this.#response.writeContinue()
    this.#request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    discardRest(this.#request)
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    if (this.#bytes > this.#limit) this.destroy(new BodyTooLarge(this.#limit))
    else if (!this.push(chunk)) this.#request.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onClose = (): void => {
    if (!this.#request.complete) this.destroy(new Error('the client went away'))
  }
}

/**
 * Reads and throws away what a client still sends of a body that nobody wants: closing at once would reset the
 * connection, and the client would lose its answer. A client that does not come to an end is cut off.
 */
export function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  request.resume()
  const cut = setTimeout(() => request.socket.destroy(), LINGER)
  request.once('close', () => clearTimeout(cut)).once('end', () => clearTimeout(cut))
}
