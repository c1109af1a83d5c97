import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Knex } from 'knex'
import { createApp } from '../app.ts'
import { openDatabase } from '../database/connection.ts'
import { migrate } from '../database/migrate.ts'
import { seed } from '../generator/seed.ts'

export const API_KEY = 'a key for tests'

export interface TestShop extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly db: Knex
}

/** An empty database that goes away with the test. */
export type EmptyDatabase = AsyncDisposable & { readonly url: string }

export interface ShopOptions {
  /** How many the generator makes; 0 leaves the tables empty. 200 unless given. */
  readonly products?: number
  readonly providerStates?: boolean
}

/** A shop on that database; both end together. */
export async function startShop(database: EmptyDatabase, options: ShopOptions = {}): Promise<TestShop> {
  const { products = 200, providerStates = false } = options
  const db = openDatabase(database.url)
  await migrate(db)
  if (products > 0) await seed(db, { products, orders: 100, customers: 20 })
  const app = createApp({ db, adminApiKey: API_KEY, version: '1.2.3', providerStates })
  await app.ready()
  return {
    app,
    db,
    async [Symbol.asyncDispose]() {
      await app.close()
      await db.destroy()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** A browser as far as a shop notices: it keeps cookies and sends forms. */
export function createBrowser(app: FastifyInstance) {
  const cookies: Record<string, string> = {}
  const send = async (options: InjectOptions): Promise<LightMyRequestResponse> => {
    const response = await app.inject({ ...options, cookies })
    for (const { name, value } of response.cookies) cookies[name] = value
    return response
  }
  return {
    cookies,
    send,
    get: (url: string) => send({ method: 'GET', url }),
    post: (url: string, form: Record<string, string> = {}) =>
      send({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: new URLSearchParams(form).toString(),
      }),
    logIn: (email: string, password: string) =>
      send({ method: 'POST', url: '/api/login', payload: { email, password } }),
  }
}
