import { once } from 'node:events'
import { createServer } from 'node:http'
import type pg from 'pg'

/** A running app. */
export interface ArticleApp {
  readonly url: string
  stop(): Promise<void>
}

/**
 * The least that either side has over HTTP: one article from its own database, and health that asks that database.
 * @param query takes the article's number as $1.
 */
export async function startArticleApp(version: string, client: pg.Client, query: string): Promise<ArticleApp> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    try {
      const number = /^\/articles\/(\d+)$/.exec(request.url ?? '')?.[1]
      if (number !== undefined) {
        const { rows } = await client.query(query, [number])
        return rows[0] === undefined ? answer(404, { error: 'not_found' }) : answer(200, rows[0])
      }
      await client.query('SELECT 1')
      return answer(200, { status: 'ok', version })
    } catch (error) {
      return answer(503, { error: String(error) })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
