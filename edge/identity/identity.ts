import type { IncomingHttpHeaders } from 'node:http'
import type { IdentitySource } from '@ficus/core/config/schema'
import type { Logger } from '@ficus/core/log/logger'
import { parseCookie } from 'cookie'
import { JwtClaim } from './jwt-claim.ts'
import { IDENTITY_COOKIE, SignedCookie } from './signed-cookie.ts'

/** Who a request's user is, as far as dials need to know. */
export interface Identity {
  /** The sticky key: the same user always has the same, so a dial always says the same of them. */
  readonly key: string
  /** The Set-Cookie header that makes the key stick; null where the user brought it. */
  readonly setCookie: string | null
}

export interface IdentifierOptions {
  readonly sources: readonly IdentitySource[]
  readonly cookieSecret: string
  /** A fresh key for a user who brought none. */
  readonly newKey: () => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

type Cookies = ReturnType<typeof parseCookie>
type Reader = (headers: IncomingHttpHeaders, cookies: Cookies) => string | null | Promise<string | null>

const NO_COOKIES: Cookies = {}

/**
 * Finds a user's sticky key. The edge's own cookie decides where there is one: its key is what the user got when they
 * were first seen, so logging in does not change their side. Then come the configured sources in their order, and a
 * user whom none of them knows gets the cookie.
 */
export class Identifier {
  readonly #own: SignedCookie
  readonly #readers: readonly Reader[]
  readonly #newKey: () => string

  /** @throws FICUS_CONFIG_INVALID where a source cannot work. */
  constructor(options: IdentifierOptions) {
    this.#own = new SignedCookie(options.cookieSecret)
    this.#newKey = options.newKey
    this.#readers = options.sources.map((source, index) => toReader(source, `edge.identity[${index}]`, options))
  }

  /**
   * @param secure whether the user came by https.
   * @returns a promise only where a token has to be verified that was not seen before.
   */
  identify(headers: IncomingHttpHeaders, secure: boolean): Identity | Promise<Identity> {
    const cookies = headers.cookie === undefined ? NO_COOKIES : parseCookie(headers.cookie)
    const own = cookies[IDENTITY_COOKIE]
    const key = own === undefined ? null : this.#own.read(own)
    if (key !== null) return { key, setCookie: null }
    return this.#ask(0, headers, cookies, secure)
  }

  #ask(from: number, headers: IncomingHttpHeaders, cookies: Cookies, secure: boolean): Identity | Promise<Identity> {
    for (let index = from; index < this.#readers.length; index += 1) {
      const key = this.#readers[index]?.(headers, cookies) ?? null
      if (key instanceof Promise) {
        return key.then(late => (late === null ? this.#ask(index + 1, headers, cookies, secure) : brought(late)))
      }
      if (key !== null && key !== '') return brought(key)
    }
    const fresh = this.#newKey()
    return { key: fresh, setCookie: this.#own.write(fresh, secure) }
  }
}

function brought(key: string): Identity {
  return { key, setCookie: null }
}

function toReader(source: IdentitySource, path: string, { now, log }: IdentifierOptions): Reader {
  if ('cookie' in source) return (_headers, cookies) => cookies[source.cookie] ?? null
  if ('jwtClaim' in source) {
    const claim = new JwtClaim(source, path, now, log)
    return headers => claim.read(headers)
  }
  const name = source.header.toLowerCase()
  return headers => {
    const value = headers[name]
    return typeof value === 'string' ? value : null
  }
}
