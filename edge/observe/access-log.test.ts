import pino from 'pino'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startUpstream } from '../testing/upstream.ts'
import { send } from '../testing/wire.ts'

function logger(level: string) {
  const lines: string[] = []
  const log = pino({ level }, { write: line => void lines.push(line) })
  return {
    log,
    requests: () => lines.map(line => JSON.parse(line)).filter(entry => 'method' in entry),
    text: () => lines.join(''),
  }
}

const SECRETS = { authorization: 'Bearer secret', cookie: 'sid=secret' }

it('logs what failed, with the code, the cause and the remedy, and no secret', async () => {
  await using upstream = await startUpstream((request, response) => {
    if (request.url?.startsWith('/items/1')) request.socket.resetAndDestroy()
    else response.writeHead(request.url === '/items/2' ? 503 : 404).end()
  })
  const { log, requests, text } = logger('info')
  await using edge = await startEdge({ monolith: upstream.url, log })
  for (const path of ['/items/1?token=secret', '/items/2', '/items/3'])
    await send(edge.url + path, { headers: SECRETS })

  expect(requests()).toEqual([
    expect.objectContaining({
      level: 40,
      method: 'GET',
      path: '/items/1',
      capability: 'catalog',
      side: 'monolith',
      status: 502,
      code: 'FICUS_UPSTREAM_RESET',
      cause: expect.stringContaining('ECONNRESET'),
      remedy: expect.any(String),
    }),
    expect.objectContaining({ level: 40, path: '/items/2', status: 503, msg: 'the upstream answered with an error' }),
  ])
  expect(text()).not.toContain('secret')
})

it('logs every request at level debug', async () => {
  await using upstream = await startUpstream((_request, response) => void response.end())
  const { log, requests } = logger('debug')
  await using edge = await startEdge({ monolith: upstream.url, log })
  await send(`${edge.url}/a?token=secret`, { headers: SECRETS })
  expect(requests()).toEqual([
    expect.objectContaining({
      level: 20,
      method: 'GET',
      path: '/a',
      capability: null,
      reason: 'unmatched',
      status: 200,
    }),
  ])
})
