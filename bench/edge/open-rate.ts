// Loads a URL at an open rate over 32 keep-alive connections: a slow answer does not slow the next request down, and
// latency counts from the moment that a request was due. Prints {"p50", "p99"} in milliseconds.
// Usage: node open-rate.ts URL RATE SECONDS
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'

const [url = '', rate = '1000', seconds = '5'] = process.argv.slice(2)
const { origin, pathname } = new URL(url)
const pool = new Pool(origin, { connections: 32, pipelining: 1 })
const total = Number(rate) * Number(seconds)
const latencies: number[] = []
const underWay: Promise<void>[] = []

async function send(due: number): Promise<void> {
  const { statusCode, body } = await pool.request({ path: pathname, method: 'GET', headers: { cookie: 'uid=user-17' } })
  await body.dump()
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`)
  latencies.push(performance.now() - due)
}

const started = performance.now()
for (let sent = 0; sent < total; ) {
  const now = performance.now()
  for (let due = started + (sent * 1000) / Number(rate); sent < total && due <= now; ) {
    underWay.push(send(due))
    sent += 1
    due = started + (sent * 1000) / Number(rate)
  }
  await sleep(1)
}
await Promise.all(underWay)
await pool.close()
// The first fifth warms up.
const sorted = latencies.slice(latencies.length / 5).sort((a, b) => a - b)
const at = (quantile: number) => sorted[Math.floor(sorted.length * quantile)]
console.log(JSON.stringify({ p50: at(0.5), p99: at(0.99) }))
