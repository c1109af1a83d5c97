import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { ConnectClient } from './connect-client.ts'

/** What a worker answered to the same request, one after the other; when it rebalances cannot be chosen. */
async function answering(answers: readonly (readonly [status: number, body: unknown])[]) {
  let asked = 0
  const server = createServer((_, response) => {
    const [status, body] = answers[Math.min(asked++, answers.length - 1)] ?? [500, null]
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  return { client: new ConnectClient(url), asked: () => asked, [Symbol.dispose]: () => void server.close() }
}

const REBALANCE = { message: 'Request cannot be completed because a rebalance is expected' }

it('waits for a worker that rebalances, whichever way it says so', async () => {
  using worker = await answering([
    [409, { error_code: 409, ...REBALANCE }],
    [500, { error_code: 500, ...REBALANCE }],
    [200, { 'tasks.max': '1' }],
  ])
  expect(await worker.client.config('mine')).toEqual({ 'tasks.max': '1' })
  expect(worker.asked()).toBe(3)
})

it('says at once what else is wrong with it', async () => {
  using worker = await answering([[500, { error_code: 500, message: 'out of memory' }]])
  await expect(worker.client.config('mine')).rejects.toMatchObject({
    code: 'FICUS_KAFKA_UNREACHABLE',
    message: expect.stringContaining('answers 500 to GET /connectors/mine/config: out of memory'),
  })
  expect(worker.asked()).toBe(1)
})
