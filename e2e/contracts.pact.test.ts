import { fileURLToPath } from 'node:url'
import type { ContractVerdict } from '@ficus/contracts/verdict/verdict'
import { verifyContracts } from '@ficus/contracts/verify-contracts'
import { checkConfig } from '@ficus/core/config/load-config'
import type { Capability } from '@ficus/core/config/schema'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { createApp as createCatalog } from '@shop/catalog/app'
import { openDatabase as openCatalog } from '@shop/catalog/database/connection'
import { migrate as migrateCatalog } from '@shop/catalog/database/migrate'
import { createApp as createShop } from '@shop/monolith/app'
import { openDatabase as openShop } from '@shop/monolith/database/connection'
import { migrate as migrateShop } from '@shop/monolith/database/migrate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import config from '../ficus.config.ts'

type Catalog = ReturnType<typeof createCatalog>
/** Changes a service that is otherwise correct; called before it listens. */
type Mutation = (catalog: Catalog) => void

const root = fileURLToPath(new URL('..', import.meta.url))
/** What both providers take unless they are told another one: the pact's client sends it. */
const adminApiKey = 'dev-admin-key'
const anyPort = { host: '127.0.0.1', port: 0 }

const resources = new AsyncDisposableStack()
let monolithUrl: string
let catalogDatabase: ReturnType<typeof openCatalog>

beforeAll(async () => {
  const shopDatabase = openShop(resources.use(await createDatabase('shop_pact')).url)
  resources.defer(() => shopDatabase.destroy())
  catalogDatabase = openCatalog(resources.use(await createDatabase('catalog_pact')).url)
  resources.defer(() => catalogDatabase.destroy())
  await migrateShop(shopDatabase)
  await migrateCatalog(catalogDatabase)
  const shop = createShop({ db: shopDatabase, adminApiKey, version: '1.2.3', providerStates: true })
  resources.defer(() => shop.close())
  monolithUrl = await shop.listen(anyPort)
})

afterAll(() => resources.disposeAsync())

/** What ficus.config.ts says of the catalog. */
function catalogConfig(): Capability {
  const { migration, problems } = checkConfig(config, {})
  expect(problems).toEqual([])
  const catalog = migration?.capabilities.catalog
  if (catalog === undefined) throw new Error('ficus.config.ts has no capability catalog')
  return catalog
}

/** Verifies the committed pacts against the running shop and a catalog with that mutation. */
async function verify(mutation: Mutation = () => {}): Promise<ContractVerdict> {
  const { routes, contracts } = catalogConfig()
  if (contracts === undefined) throw new Error('the capability catalog has no contracts')
  const catalog = createCatalog({ db: catalogDatabase, adminApiKey, version: '1.2.3', providerStates: true })
  try {
    mutation(catalog)
    const { pacts, monolith, service } = contracts
    return await verifyContracts({
      capability: 'catalog',
      routes,
      contracts: {
        pacts,
        monolith: { url: monolithUrl, states: monolith.states },
        service: { url: await catalog.listen(anyPort), states: service.states },
      },
      directory: root,
      signal: new AbortController().signal,
    })
  } finally {
    await catalog.close()
  }
}

/** Answers a product without a field of its price. */
const withoutCurrency: Mutation = catalog => {
  catalog.addHook<unknown>('preSerialization', async (request, _reply, payload) =>
    request.routeOptions.url === '/api/products/:id'
      ? JSON.parse(JSON.stringify(payload, (key, value) => (key === 'currency' ? undefined : value)))
      : payload,
  )
}

const foundAnyway: Mutation = catalog => {
  catalog.addHook('onSend', async (_request, reply) => {
    if (reply.statusCode === 404) reply.code(200)
  })
}

describe("the storefront's contracts of the catalog", () => {
  it('are kept by the shop and by its service alike, all ten', async () => {
    const verdict = await verify()
    const outcomes = verdict.interactions.map(({ monolith, service }) => [monolith.reason, service.reason])
    expect(outcomes).toEqual(Array(10).fill([null, null]))
    expect(verdict).toMatchObject({ verdict: 'pass', onlyMonolith: [], neither: [], notCompared: [] })
    expect(verdict.interactions.every(({ monolith, service }) => monolith.passed && service.passed)).toBe(true)
  })

  it.each<[string, Mutation, string[], RegExp]>([
    ['drops a field', withoutCurrency, ['a product', 'another price for a product'], /currency/],
    [
      'answers 200 where nothing is',
      foundAnyway,
      ['a category that is not there', 'a product that is not there'],
      /^status: expected 404 but was 200/,
    ],
  ])('are red when the service %s', async (_name, mutation, broken, reason) => {
    const verdict = await verify(mutation)
    expect(verdict.verdict).toBe('fail')
    const red = verdict.interactions.filter(({ service }) => !service.passed)
    expect(red.map(({ description }) => description).toSorted()).toEqual(broken)
    expect(verdict.onlyMonolith.toSorted()).toEqual(red.map(({ name }) => name).toSorted())
    for (const { service } of red) expect(service.reason).toMatch(reason)
  })
})
