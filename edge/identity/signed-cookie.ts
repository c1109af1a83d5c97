import { createHmac, timingSafeEqual } from 'node:crypto'

/** The edge's own cookie: a random key that keeps an anonymous user, and whoever they log in as, on one side. */
export const IDENTITY_COOKIE = 'ficus_id'

/** A year in seconds: longer than a migration takes. */
const MAX_AGE = 31_536_000
/** Signatures checked lately, so that a busy user costs one HMAC and not one a request. */
const REMEMBERED = 10_000

/** Signs keys and reads them back: `<key>.<HMAC-SHA-256 of it, base64url>`. */
export class SignedCookie {
  readonly #secret: string
  readonly #known = new Set<string>()

  constructor(secret: string) {
    this.#secret = secret
  }

  /** The key of a cookie's value, or null where this edge's secret did not sign it. */
  read(value: string): string | null {
    const dot = value.lastIndexOf('.')
    if (dot <= 0) return null
    const key = value.slice(0, dot)
    if (this.#known.has(value)) return key
    const given = Buffer.from(value.slice(dot + 1))
    const right = Buffer.from(this.#signature(key))
    if (given.length !== right.length || !timingSafeEqual(given, right)) return null
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.add(value)
    return key
  }

  /** The Set-Cookie header that gives a user this key. `secure` where the user came by https. */
  write(key: string, secure: boolean): string {
    const value = `${key}.${this.#signature(key)}`
    return `${IDENTITY_COOKIE}=${value}; Path=/; Max-Age=${MAX_AGE}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  }

  #signature(key: string): string {
    return createHmac('sha256', this.#secret).update(`${IDENTITY_COOKIE}:${key}`).digest('base64url')
  }
}
