import { once } from 'node:events'
import { createServer } from 'node:net'
import { createLogger } from '@ficus/core/log/logger'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { startUpstream } from '../testing/upstream.ts'
import { JwtClaim } from './jwt-claim.ts'

const log = createLogger('test', 'silent')

async function issuer() {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }] })
  const server = await startUpstream((_request, response) => void response.end(keys))
  const sign = (subject: string) =>
    new SignJWT()
      .setSubject(subject)
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setExpirationTime('1h')
      .sign(privateKey)
  return { server, sign }
}

it('verifies a claim by the issuer’s key set', async () => {
  const { server, sign } = await issuer()
  await using _ = server
  const claim = new JwtClaim(
    { jwtClaim: 'sub', header: 'authorization', jwks: server.url },
    'edge.identity[0]',
    Date.now,
    log,
  )

  const authorization = `Bearer ${await sign('ada')}`

  expect(await claim.read({ authorization })).toBe('ada')
  expect(claim.read({ authorization }), 'remembered').toBe('ada')
  expect(server.requests).toHaveLength(1)
})

it('lets users wait once for a key set that hangs, and not again for a while', async () => {
  const silent = createServer(socket => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { server, sign } = await issuer()
  await using _ = server
  let now = Date.now()
  const source = { jwtClaim: 'sub', header: 'authorization', jwks: `http://127.0.0.1:${port}` }
  const claim = new JwtClaim(source, 'edge.identity[0]', () => now, log)
  const authorization = `Bearer ${await sign('ada')}`

  expect(await claim.read({ authorization })).toBeNull()
  expect(claim.read({ authorization }), 'answered at once').toBeNull()
  now += 60_000
  expect(claim.read({ authorization }), 'tried again').toBeInstanceOf(Promise)
  silent.close()
})
