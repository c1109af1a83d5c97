/** One request's outcome, as a user would tell it. */
export interface Outcome {
  readonly what: string
  readonly status: number | null
  readonly side: string | null
  readonly milliseconds: number
  /** Why it counts as failed, or null. */
  readonly failure: string | null
}

interface RequestOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Statuses that are right; others are failures. */
  readonly expect?: readonly number[]
  /** A read of the capability that is on its way out: the same user stays on the same side. */
  readonly sticky?: boolean
}

/** A user with a browser's memory: cookies, and whether the service has answered before. */
export class Shopper {
  readonly #origin: string
  readonly #cookies = new Map<string, string>()
  #servedByService = false
  /** Reads that the monolith answered after the service had answered this user: a dial that only rises causes none. */
  returns = 0

  constructor(origin: string) {
    this.#origin = origin
  }

  /** Sends one request; never throws. A failure is a status from 500 on, an unexpected status, or no whole answer. */
  async request(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Outcome & { readonly body: string }> {
    const started = performance.now()
    const what = `${method} ${path}`
    try {
      const response = await fetch(this.#origin + path, {
        method,
        redirect: 'manual',
        headers: {
          ...(this.#cookies.size > 0 && { cookie: this.#cookieHeader() }),
          ...(options.body !== undefined && { 'content-type': 'application/json' }),
          ...options.headers,
        },
        ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
        signal: AbortSignal.timeout(15_000),
      })
      const body = await response.text()
      for (const cookie of response.headers.getSetCookie()) this.#remember(cookie)
      const side = response.headers.get('x-ficus-side')
      if (options.sticky === true) this.#notice(side)
      const expected = options.expect ?? [200, 302, 303]
      const failure = expected.includes(response.status) ? null : `answered ${response.status}: ${body.slice(0, 200)}`
      return { what, status: response.status, side, milliseconds: performance.now() - started, failure, body }
    } catch (error) {
      const reason = error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error)
      return {
        what,
        status: null,
        side: null,
        milliseconds: performance.now() - started,
        failure: `no whole answer: ${reason}`,
        body: '',
      }
    }
  }

  #cookieHeader(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  #remember(setCookie: string): void {
    const [pair = ''] = setCookie.split(';')
    const [name = '', ...value] = pair.split('=')
    this.#cookies.set(name.trim(), value.join('='))
  }

  #notice(side: string | null): void {
    if (side === 'service') this.#servedByService = true
    else if (this.#servedByService) this.returns += 1
  }
}
