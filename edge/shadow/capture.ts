import type { RouteMatch } from '../route/table.ts'

/** One side's answer to a mirrored request. */
export interface Answer {
  readonly status: number
  readonly contentType: string | null
  readonly contentEncoding: string | null
  readonly body: Buffer
}

/** A request that both sides get. */
export interface MirroredRequest {
  readonly match: RouteMatch
  /** The capability's epoch that the decision to mirror was made on. */
  readonly epoch: number
  /** When, on the edge's clock: before the service is asked, so that a slow answer counts for the build that was asked. */
  readonly at: number
  readonly method: string
  /** The raw target. */
  readonly target: string
  readonly headers: readonly string[]
}

/**
 * Collects an answer as it passes by: the chunks themselves, not copies, up to a limit, beyond which it lets go of all.
 * The control's is filled while its bytes go to the user, the candidate's by the shadow's own request.
 */
export class Capture {
  readonly request: MirroredRequest
  readonly #limit: number
  #chunks: Buffer[] = []
  #bytes = 0
  #status = 0
  #contentType: string | null = null
  #contentEncoding: string | null = null

  /** @param limit in bytes. */
  constructor(request: MirroredRequest, limit: number) {
    this.request = request
    this.#limit = limit
  }

  /** @param raw header names and values, as undici reads them. */
  start(status: number, raw: readonly Buffer[]): void {
    this.#status = status
    for (let i = 0; i < raw.length; i += 2) {
      const length = raw[i]?.length
      if (length !== 12 && length !== 16) continue
      const name = raw[i]?.toString('latin1').toLowerCase()
      if (name === 'content-type') this.#contentType = raw[i + 1]?.toString('latin1') ?? null
      if (name === 'content-encoding') this.#contentEncoding = raw[i + 1]?.toString('latin1') ?? null
    }
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.tooLarge) this.#chunks = []
    else this.#chunks.push(chunk)
  }

  get tooLarge(): boolean {
    return this.#bytes > this.#limit
  }

  get status(): number {
    return this.#status
  }

  get contentType(): string | null {
    return this.#contentType
  }

  answer(): Answer {
    const [only] = this.#chunks
    return {
      status: this.#status,
      contentType: this.#contentType,
      contentEncoding: this.#contentEncoding,
      body: this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks),
    }
  }
}
