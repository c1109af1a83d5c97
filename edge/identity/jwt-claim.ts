import type { IncomingHttpHeaders } from 'node:http'
import type { IdentitySource } from '@ficus/core/config/schema'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Logger } from '@ficus/core/log/logger'
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose'

export type JwtSource = Extract<IdentitySource, { jwtClaim: string }>

/** Verified tokens that are remembered until they expire. */
const REMEMBERED = 10_000
/** Milliseconds that a user may wait for the key set. */
const KEY_SET_TIMEOUT = 1_000
/** Milliseconds without another try after the key set could not be had. */
const KEY_SET_REST = 10_000

interface Known {
  readonly key: string | null
  /** Milliseconds since the epoch. */
  readonly until: number
}

/**
 * The claim of a bearer token whose signature was checked. A token that is missing, expired or forged, or whose key set
 * cannot be had, is no identity; it is the upstream's business to refuse it.
 */
export class JwtClaim {
  readonly #claim: string
  readonly #header: string
  readonly #key: JWTVerifyGetKey | Uint8Array
  readonly #algorithms: string[] | undefined
  readonly #now: () => number
  readonly #log: Logger
  readonly #known = new Map<string, Known>()
  #restUntil = 0

  /** @throws FICUS_CONFIG_INVALID unless the source has exactly one of `jwks` and `secret`. */
  constructor(source: JwtSource, path: string, now: () => number, log: Logger) {
    this.#claim = source.jwtClaim
    this.#header = source.header.toLowerCase()
    this.#now = now
    this.#log = log
    if (source.secret !== undefined && source.jwks === undefined) {
      this.#key = new TextEncoder().encode(source.secret)
      this.#algorithms = ['HS256', 'HS384', 'HS512']
    } else if (source.jwks !== undefined && source.secret === undefined) {
      this.#key = createRemoteJWKSet(new URL(source.jwks), { timeoutDuration: KEY_SET_TIMEOUT })
    } else {
      throw new FicusError(
        'FICUS_CONFIG_INVALID',
        `${path} needs a key set's address (jwks) or a shared secret, one of both`,
      )
    }
  }

  /** The claim's value; a promise the first time a token is seen. */
  read(headers: IncomingHttpHeaders): string | null | Promise<string | null> {
    const header = headers[this.#header]
    if (typeof header !== 'string') return null
    const token = header.replace(/^bearer\s+/i, '')
    const known = this.#known.get(token)
    if (known !== undefined && known.until > this.#now()) return known.key
    if (this.#now() < this.#restUntil || token.split('.').length !== 3) return null
    return this.#verify(token)
  }

  async #verify(token: string): Promise<string | null> {
    try {
      const options = {
        currentDate: new Date(this.#now()),
        ...(this.#algorithms === undefined ? {} : { algorithms: this.#algorithms }),
      }
      // The overloads of jwtVerify keep a secret and a key set apart.
      const { payload } =
        this.#key instanceof Uint8Array
          ? await jwtVerify(token, this.#key, options)
          : await jwtVerify(token, this.#key, options)
      const claim = payload[this.#claim]
      const key = typeof claim === 'string' || typeof claim === 'number' ? String(claim) || null : null
      this.#remember(token, { key, until: payload.exp === undefined ? Number.POSITIVE_INFINITY : payload.exp * 1_000 })
      return key
    } catch (error) {
      this.#refused(error)
      return null
    }
  }

  #remember(token: string, known: Known): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(token, known)
  }

  /** A token's own faults are jose's errors, except those that say that the key set could not be had. */
  #refused(error: unknown): void {
    const ofToken = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout)
    if (ofToken && error.code !== 'ERR_JOSE_GENERIC') return
    this.#restUntil = this.#now() + KEY_SET_REST
    this.#log.warn({ reason: messageOf(error) }, 'the key set for identity tokens cannot be had')
  }
}
