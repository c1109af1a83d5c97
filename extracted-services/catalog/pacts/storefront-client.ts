import { z } from 'zod'

/** What the storefront reads of the shop's answers, and no more: its pact asks for exactly this. */
const PRODUCT = z.object({
  id: z.int(),
  sku: z.string(),
  name: z.object({ en: z.string(), de: z.string().optional(), fr: z.string().optional() }),
  /** With two decimals: `"19.90"`. */
  price: z.object({ amount: z.string(), currency: z.string() }),
  active: z.boolean(),
  /** ISO 8601 in UTC with microseconds. */
  updated_at: z.string(),
})

const PRODUCT_LIST = z.object({
  items: z.array(PRODUCT.extend({ category: z.object({ id: z.int(), slug: z.string() }) })),
  page: z.int(),
  per_page: z.int(),
  total: z.int(),
})

const CATEGORY = z.object({ id: z.int(), slug: z.string(), name: z.object({ en: z.string() }) })
const CATEGORIES = z.array(CATEGORY.extend({ position: z.int() }))
const CATEGORY_PAGE = CATEGORY.extend({ product_count: z.int() })
const BRANDS = z.array(z.object({ id: z.int(), name: z.string() }))

const REFUSAL = z.object({
  error: z.string(),
  message: z.string(),
  fields: z.record(z.string(), z.string()).default({}),
})

export interface ProductFilter {
  /** A category's slug. */
  readonly category?: string
  readonly sort?: 'id' | 'price' | '-price' | 'name'
  readonly per_page?: number
  readonly page?: number
}

/** The shop refused. `fields` says what is wrong with each field of what was sent. */
export class ShopRefused extends Error {
  readonly status: number
  readonly code: string
  readonly fields: Readonly<Record<string, string>>

  constructor(status: number, { error, message, fields }: z.output<typeof REFUSAL>) {
    super(message)
    this.status = status
    this.code = error
    this.fields = fields
  }
}

/** The catalog as the storefront uses it, over HTTP. Every call throws `ShopRefused` on a status of 400 and above. */
export class StorefrontClient {
  readonly #url: string
  readonly #apiKey: string | undefined

  /** @param apiKey lets `changePrice` write. */
  constructor(url: string, apiKey?: string) {
    this.#url = url
    this.#apiKey = apiKey
  }

  products(filter: ProductFilter = {}) {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(filter)) query.set(name, `${value}`)
    return this.#send(PRODUCT_LIST, 'GET', `/api/products?${query}`)
  }

  product(id: number) {
    return this.#send(PRODUCT, 'GET', `/api/products/${id}`)
  }

  categories() {
    return this.#send(CATEGORIES, 'GET', '/api/categories')
  }

  category(slug: string) {
    return this.#send(CATEGORY_PAGE, 'GET', `/api/categories/${encodeURIComponent(slug)}`)
  }

  brands() {
    return this.#send(BRANDS, 'GET', '/api/brands')
  }

  /** @param amount such as `"24.50"`. */
  changePrice(id: number, amount: string) {
    return this.#send(PRODUCT, 'PATCH', `/api/products/${id}`, { price: { amount } })
  }

  async #send<Schema extends z.ZodType>(
    schema: Schema,
    method: string,
    path: string,
    body?: object,
  ): Promise<z.output<Schema>> {
    const response = await fetch(new URL(path, this.#url), {
      method,
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...(this.#apiKey !== undefined && { 'x-api-key': this.#apiKey }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const answer = await response.json()
    if (!response.ok) throw new ShopRefused(response.status, REFUSAL.parse(answer))
    return schema.parse(answer)
  }
}
