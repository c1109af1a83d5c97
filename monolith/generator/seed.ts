import type { Knex } from 'knex'
import type { ClientBase } from 'pg'
import { hashPassword } from '../accounts/password.ts'
import * as catalog from './catalog.ts'
import { copyRows } from './copy.ts'
import { ADA, ADMIN, customers as customersOf } from './customers.ts'
import { withoutForeignKeys } from './foreign-keys.ts'
import { couponRows, type OrderBatch, orderHistory } from './orders.ts'

const ORDERS_PER_BATCH = 5_000
const PRODUCTS_PER_BATCH = 2_000

export interface SeedOptions {
  readonly products: number
  readonly orders: number
  /** A fifth of the orders unless given, and at least ten. */
  readonly customers?: number
  /** The same seed and counts give the same rows; 1 unless given. */
  readonly seed?: number
  /** Empties every table first when there are products already. */
  readonly force?: boolean
  readonly onProgress?: (progress: SeedProgress) => void
}

export interface SeedProgress {
  /** What is being written now. */
  readonly what: string
  /** Of `total` products, customers and orders. */
  readonly done: number
  readonly total: number
}

/** Every table that the generator fills, those that others refer to first. */
export const SEEDED_TABLES = [
  'categories',
  'brands',
  'products',
  'product_images',
  'customers',
  'addresses',
  'coupons',
  'orders',
  'order_items',
  'payments',
  'stock_movements',
  'stock_levels',
  'reviews',
  'page_views',
  'audit_log',
] as const

/**
 * Fills a migrated database, in one transaction: all of it or nothing.
 *
 * @returns false when there were products already and `force` was not given; then nothing was changed.
 */
export async function seed(db: Knex, options: SeedOptions): Promise<boolean> {
  const client: ClientBase = await db.client.acquireConnection()
  try {
    await client.query('begin')
    const filled = await fill(client, options)
    await client.query('commit')
    // So that lists can count in the index at once; autovacuum would come in a minute.
    if (filled) await client.query('vacuum (analyze) products')
    return filled
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    await db.client.releaseConnection(client)
  }
}

async function fill(client: ClientBase, options: SeedOptions): Promise<boolean> {
  const { rowCount } = await client.query('select from products limit 1')
  if (rowCount !== 0) {
    if (!options.force) return false
    await client.query(
      `truncate ${SEEDED_TABLES.join(', ')}, sessions, carts, cart_items restart identity cascade;
       alter sequence order_numbers restart`,
    )
  }
  await withoutForeignKeys(client, () => fillTables(client, options))
  await moveSequences(client)
  await client.query('refresh materialized view bestsellers')
  return true
}

async function fillTables(client: ClientBase, options: SeedOptions): Promise<void> {
  const { seed = 1, orders, customers = Math.max(10, Math.round(orders / 5)), onProgress } = options
  const total = options.products + customers + orders
  let done = 0
  const advance = (what: string, rows: number) => {
    done += rows
    onProgress?.({ what, done, total })
  }

  const sold = await fillCatalog(client, seed, options.products, rows => advance('products', rows))
  const addresses = await fillCustomers(client, seed, customers)
  advance('customers', customers)
  await copyRows(client, 'coupons', couponRows())
  const [first, ...rest] = sold
  if (first === undefined) return
  const history = { seed, count: orders, batchSize: ORDERS_PER_BATCH, products: [first, ...rest], addresses } as const
  for (const batch of orderHistory(history)) {
    await fillOrders(client, batch)
    advance('orders', batch.orders.length)
  }
}

/** Returns what the orders need to know of each product. */
async function fillCatalog(client: ClientBase, seed: number, count: number, advance: (rows: number) => void) {
  await copyRows(client, 'categories', catalog.categoryRows())
  await copyRows(client, 'brands', catalog.brandRows())
  const sold: Omit<catalog.GeneratedProduct, 'row' | 'images'>[] = []
  let batch: catalog.GeneratedProduct[] = []
  const flush = async () => {
    await copyRows(
      client,
      'products',
      batch.map(product => product.row),
    )
    await copyRows(
      client,
      'product_images',
      batch.flatMap(product => product.images),
    )
    advance(batch.length)
    batch = []
  }
  for (const product of catalog.products(seed, count)) {
    batch.push(product)
    const { id, sku, name, price, taxClass } = product
    sold.push({ id, sku, name, price, taxClass })
    if (batch.length === PRODUCTS_PER_BATCH) await flush()
  }
  await flush()
  return sold
}

/** Returns where each customer has parcels sent. */
async function fillCustomers(client: ClientBase, seed: number, count: number) {
  // A salt of its own for each password, but the same one every time: the rows have to be the same every time.
  const hashes = {
    admin: await hashPassword(ADMIN.password, Buffer.from('salt of an admin')),
    everybody: await hashPassword(ADA.password, Buffer.from('salt of everyone')),
  }
  const generated = [...customersOf(seed, count, hashes)]
  await copyRows(
    client,
    'customers',
    generated.map(({ row }) => row),
  )
  await copyRows(
    client,
    'addresses',
    generated.map(({ address }) => address),
  )
  return generated.map(({ shippingAddress }) => shippingAddress)
}

async function fillOrders(client: ClientBase, batch: OrderBatch): Promise<void> {
  for (const [table, rows] of Object.entries(batch)) await copyRows(client, table, rows)
}

/** The rows brought their own ids; the next ones that the shop makes come after them. */
async function moveSequences(client: ClientBase): Promise<void> {
  for (const table of ['categories', 'brands', 'products', 'customers', 'addresses', 'orders']) {
    await client.query(
      `select setval(pg_get_serial_sequence($1, 'id'), coalesce(max(id), 0) + 1, false) from ${table}`,
      [table],
    )
  }
  await client.query(`select setval('order_numbers', 100001 + count(*), false) from orders`)
}
