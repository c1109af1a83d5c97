import { setTimeout as sleep } from 'node:timers/promises'
import { type Outcome, Shopper } from './shopper.ts'

/** What the traffic met so far. */
export interface TrafficReport {
  readonly requests: number
  readonly failures: number
  /** Requests by the side that answered, as `x-ficus-side` said; `none` are the routes of no capability. */
  readonly bySide: Readonly<Record<string, number>>
  readonly writes: number
  /** Reads that came from another side than the same user's read before. */
  readonly sideChanges: number
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
  const bySide: Record<string, number> = {}
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
    const side = outcome.side ?? 'none'
    bySide[side] = (bySide[side] ?? 0) + 1
    if (outcome.failure === null) return
    failures += 1
    if (firstFailures.length < 5) firstFailures.push(`${outcome.what}: ${outcome.failure}`)
  }

  async function browse(shopper: Shopper): Promise<void> {
    const roll = random()
    if (roll < 0.25 || products.length === 0) {
      const listed = await shopper.request('GET', `/api/products?page=${1 + Math.floor(random() * 20)}&per_page=20`)
      count(listed)
      if (listed.failure === null && products.length < 400) products = [...products, ...idsOf(listed.body)]
    } else if (roll < 0.6)
      count(await shopper.request('GET', `/api/products/${pick(products)}`, { expect: [200, 404] }))
    else if (roll < 0.7) count(await shopper.request('GET', '/api/categories'))
    else if (roll < 0.75) count(await shopper.request('GET', '/api/brands'))
    else if (roll < 0.85) count(await shopper.request('GET', `/p/${pick(products)}`, { expect: [200, 404] }))
    else if (roll < 0.95) count(await shopper.request('GET', '/'))
    else count(await shopper.request('GET', '/cart'))
  }

  async function edit(): Promise<void> {
    if (products.length === 0) return
    writes += 1
    const change =
      random() < 0.8 ? { price: (1 + random() * 200).toFixed(2) } : { color: pick(['red', 'green', 'blue', 'black']) }
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
    bySide: { ...bySide },
    writes,
    sideChanges: shoppers.reduce((sum, shopper) => sum + shopper.sideChanges, 0),
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

function idsOf(listBody: string): string[] {
  const list: { items: { id: number | string }[] } = JSON.parse(listBody)
  return list.items.map(item => String(item.id))
}
