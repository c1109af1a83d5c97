import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { send } from '../testing/wire.ts'

let server: Server
let directory: string
let cert: string
let port: number
const seen: { host: string | undefined; servername: string | false | undefined }[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ficus-tls-'))
  const [key, crt] = [join(directory, 'key.pem'), join(directory, 'crt.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      ...subject,
      '-keyout',
      key,
      '-out',
      crt,
    ],
    { stdio: 'ignore' },
  )
  cert = await readFile(crt, 'utf8')
  server = createServer({ key: await readFile(key), cert }, (request, response) => {
    const { servername } = request.socket as unknown as { servername?: string | false }
    seen.push({ host: request.headers.host, servername })
    response.end('secret')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(directory, { recursive: true })
})

it('does not talk to an upstream whose certificate nobody vouches for', async () => {
  await using edge = await startEdge({ monolith: `https://localhost:${port}` })
  const answer = await send(edge.url)
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([502, 'FICUS_UPSTREAM_REFUSED'])
  expect(seen).toEqual([])
})

it('checks a trusted certificate by the upstream’s name, whatever Host the client sent', async () => {
  const usual = getCACertificates()
  setDefaultCACertificates([...usual, cert])
  try {
    await using named = await startEdge({ monolith: `https://localhost:${port}` })
    await using numbered = await startEdge({ monolith: `https://127.0.0.1:${port}` })
    for (const host of ['shop.example', 'other.example', 'shop.example']) {
      expect((await send(named.url, { headers: { host } })).text).toBe('secret')
    }
    expect((await send(numbered.url, { headers: { host: 'shop.example' } })).text).toBe('secret')
    expect(seen.map(({ host }) => host)).toEqual(['shop.example', 'other.example', 'shop.example', 'shop.example'])
    expect(seen[0]?.servername).toBe('localhost')
    expect(seen[3]?.servername).toBe(false)
  } finally {
    setDefaultCACertificates(usual)
  }
})
