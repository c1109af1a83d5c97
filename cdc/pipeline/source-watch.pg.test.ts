import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { Endpoint } from '../database/session.ts'
import { Heartbeat } from '../lag/heartbeat.ts'
import { SourceWatch } from './source-watch.ts'

const PARTS = [
  [
    'a watch',
    (source: Endpoint) =>
      new SourceWatch({
        engine: 'postgres',
        source,
        publication: 'none',
        tables: [],
        known: new Map(),
        readable: [],
        misfit: null,
        reached: () => 0n,
        intervalMs: 60_000,
      }),
  ],
  ['a heartbeat', (source: Endpoint) => new Heartbeat(source)],
] as const

it.each(PARTS)('%s that is stopped while it opens its session leaves none behind', async (_, create) => {
  await using database = await createDatabase('stopped')
  const server = createServer(client => {
    const upstream = connect(Number(new URL(database.url).port), '127.0.0.1')
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = new URL(database.url)
  url.port = String(typeof address === 'object' ? address?.port : '')
  const part = create({ url: url.href, name: 'the monolith’s database' })
  part.start()
  await once(server, 'connection')
  await part.stop()
  // The server is closed once nobody is connected any more.
  server.close()
  const closed = await Promise.race([once(server, 'close'), new Promise(resolve => setTimeout(resolve, 15_000, null))])
  expect(closed).not.toBeNull()
})
