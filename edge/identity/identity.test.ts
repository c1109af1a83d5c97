import type { IdentitySource } from '@ficus/core/config/schema'
import { createLogger } from '@ficus/core/log/logger'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { Identifier } from './identity.ts'
import { SignedCookie } from './signed-cookie.ts'

const SECRET = 'a secret of the tests'
const NOW = Date.UTC(2026, 0, 1)
const log = createLogger('test', 'silent')

function identifier(...sources: IdentitySource[]): Identifier {
  let made = 0
  const newKey = () => {
    made += 1
    return `fresh-${made}`
  }
  return new Identifier({ sources, cookieSecret: SECRET, newKey, now: () => NOW, log })
}

function token(claims: Record<string, unknown>, secret = 'the issuer’s secret', expires = NOW / 1_000 + 60) {
  const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(expires)
  return jwt.sign(new TextEncoder().encode(secret))
}

const USER: IdentitySource = { header: 'X-User' }
const SESSION: IdentitySource = { cookie: 'sid' }
const CLAIM: IdentitySource = { jwtClaim: 'sub', header: 'authorization', secret: 'the issuer’s secret' }

describe('Identifier', () => {
  it('asks the sources in their order', async () => {
    const sources = identifier(USER, SESSION)
    expect(sources.identify({ 'x-user': 'ada', cookie: 'sid=1' }, false)).toEqual({ key: 'ada', setCookie: null })
    expect(sources.identify({ cookie: 'a=b; sid=1' }, false)).toEqual({ key: '1', setCookie: null })
    expect(sources.identify({ 'x-user': '', cookie: 'sid=1' }, false)).toEqual({ key: '1', setCookie: null })
  })

  it('gives a user whom no source knows a signed cookie, and knows them by it', async () => {
    const sources = identifier(USER)
    const first = await sources.identify({}, false)
    expect(first.key).toBe('fresh-1')
    expect(first.setCookie).toMatch(/^ficus_id=fresh-1\.[\w-]{43}; Path=\/; Max-Age=31536000; HttpOnly; SameSite=Lax$/)

    const cookie = first.setCookie?.split(';')[0] ?? ''
    expect(sources.identify({ cookie }, false)).toEqual({ key: 'fresh-1', setCookie: null })
    expect(sources.identify({ cookie }, false)).toEqual({ key: 'fresh-1', setCookie: null })
  })

  it('keeps the key of an anonymous user who logs in', async () => {
    const sources = identifier(USER)
    const cookie = (await sources.identify({}, false)).setCookie?.split(';')[0] ?? ''
    expect(sources.identify({ cookie, 'x-user': 'ada' }, false)).toEqual({ key: 'fresh-1', setCookie: null })
  })

  it.each([
    ['another edge’s secret', new SignedCookie('another secret, as long').write('k', false)],
    ['a changed key', new SignedCookie(SECRET).write('k', false).replace('=k.', '=j.')],
    ['no signature', 'ficus_id=k'],
    ['nothing', 'ficus_id='],
  ])('does not believe a cookie with %s', async (_what, header) => {
    const cookie = header.split(';')[0] ?? ''
    expect((await identifier().identify({ cookie }, false)).key).toBe('fresh-1')
  })

  it('marks the cookie Secure for users who came by https', async () => {
    expect((await identifier().identify({}, true)).setCookie).toMatch(/; Secure$/)
  })

  it('takes a verified claim, and the next source where there is none', async () => {
    const sources = identifier(CLAIM, SESSION)
    const good = { authorization: `Bearer ${await token({ sub: 'ada' })}` }
    expect(await sources.identify(good, false)).toEqual({ key: 'ada', setCookie: null })
    expect(sources.identify(good, false), 'a token is verified once').toEqual({ key: 'ada', setCookie: null })
  })

  it.each([
    ['forged', token({ sub: 'ada' }, 'somebody else’s secret')],
    ['expired', token({ sub: 'ada' }, undefined, NOW / 1_000 - 1)],
    ['without the claim', token({ name: 'ada' })],
    ['unsigned', Promise.resolve(`${btoa('{"alg":"none"}')}.${btoa('{"sub":"ada"}')}.`)],
    ['no token', Promise.resolve('dXNlcjpwYXNz')],
  ])('asks the next source where the token is %s', async (_what, made) => {
    const headers = { authorization: `Bearer ${await made}`, cookie: 'sid=1' }
    expect(await identifier(CLAIM, SESSION).identify(headers, false)).toEqual({ key: '1', setCookie: null })
  })

  it('refuses a claim that nothing can verify', () => {
    expect(() => identifier({ jwtClaim: 'sub', header: 'authorization' })).toThrow(/edge\.identity\[0\]/)
  })
})
