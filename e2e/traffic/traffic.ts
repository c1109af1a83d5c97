import { setTimeout as sleep } from 'node:timers/promises'
import { type Outcome, Shopper } from './shopper.ts'

/** What the traffic met so far. */
export interface TrafficReport {
  readonly requests: number
  readonly failures: number
  /** The capability's reads by the side that answered, as `x-ficus-side` said. */
  readonly reads: Readonly<Record<'monolith' | 'service', number>>
  readonly writes: number
  /** Reads that the monolith answered after the service had answered the same user. */
  readonly returns: number
  readonly firstFailures: readonly string[]
}

/** What a running traffic can be asked. */
export interface Traffic {
  report(): TrafficReport
  /** Ends it and waits for what is under way. */
  stop(): Promise<TrafficReport>
}

interface Settings {
  readonly origin: string
  readonly adminKey: string
  /** Requests a second, open: a slow answer does not slow the next request down. */
  readonly rate: number
  readonly shoppers: number
  /** Of all requests, the share that edits a product. */
  readonly writeShare: number
  readonly random: () => number
}

/** Sends the shop what its users send: pages, searches, products, carts, and a back office that changes prices. */
export function startTraffic(settings: Settings): Traffic {
  const { origin, rate, random } = settings
  const shoppers = Array.from({ length: settings.shoppers }, () => new Shopper(origin))
  const office = new Shopper(origin)
  const reads = { monolith: 0, service: 0 }
  const firstFailures: string[] = []
  const underWay = new Set<Promise<void>>()
  let products: readonly string[] = []
  let requests = 0
  let failures = 0
  let writes = 0
  let running = true

  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T

  const count = (outcome: Outcome): void => {
    requests += 1
    if (outcome.failure === null) return
    failures += 1
    if (firstFailures.length < 5) firstFailures.push(`${outcome.what}: ${outcome.failure}`)
  }

  /** One read of the capability. */
  async function read(shopper: Shopper, path: string, expect?: readonly number[]): Promise<string> {
    const outcome = await shopper.request('GET', path, { sticky: true, ...(expect !== undefined && { expect }) })
    count(outcome)
    if (outcome.failure !== null) return ''
    reads[outcome.side === 'service' ? 'service' : 'monolith'] += 1
    return outcome.body
  }

  async function browse(shopper: Shopper): Promise<void> {
    const roll = random()
    if (roll < 0.25 || products.length === 0) {
      const list = await read(shopper, `/api/products?page=${1 + Math.floor(random() * 20)}&per_page=20`)
      if (list !== '' && products.length < 400) products = [...products, ...idsOf(list)]
    } else if (roll < 0.65) await read(shopper, `/api/products/${pick(products)}`, [200, 404])
    else if (roll < 0.75) await read(shopper, '/api/categories')
    else if (roll < 0.8) await read(shopper, '/api/brands')
    else if (roll < 0.9) count(await shopper.request('GET', `/p/${pick(products)}`, { expect: [200, 404] }))
    else if (roll < 0.95) count(await shopper.request('GET', '/'))
    else count(await shopper.request('GET', '/cart'))
  }

  async function edit(): Promise<void> {
    if (products.length === 0) return
    writes += 1
    const change =
      random() < 0.8 ? { price: newPrice(1 + random() * 200) } : { color: pick(['red', 'green', 'blue', 'black']) }
    count(
      await office.request('PATCH', `/api/products/${pick(products)}`, {
        body: change,
        headers: { 'x-api-key': settings.adminKey },
        expect: [200, 404],
      }),
    )
  }

  const launch = (work: Promise<void>): void => {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  const loop = (async () => {
    const started = performance.now()
    for (let sent = 0; running; sent += 1) {
      const due = started + (sent * 1000) / rate
      const early = due - performance.now()
      if (early > 0) await sleep(early)
      launch(random() < settings.writeShare ? edit() : browse(pick(shoppers)))
    }
  })()

  const report = (): TrafficReport => ({
    requests,
    failures,
    reads: { ...reads },
    writes,
    returns: shoppers.reduce((sum, shopper) => sum + shopper.returns, 0),
    firstFailures: [...firstFailures],
  })

  return {
    report,
    async stop() {
      running = false
      await loop
      await Promise.all(underWay)
      return report()
    },
  }
}

function newPrice(euros: number): { amount: string; currency: string; sale: null } {
  return { amount: euros.toFixed(2), currency: 'EUR', sale: null }
}

function idsOf(listBody: string): string[] {
  const list: { items: { id: number | string }[] } = JSON.parse(listBody)
  return list.items.map(item => String(item.id))
}
