import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'

/** What the writer did. */
export interface Written {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** A writer at work. */
export interface Writer {
  /** What it did so far. */
  written(): Written
  /** Ends it. @throws what a statement threw. */
  stop(): Promise<Written>
}

/** Article numbers that the writer gives to what it inserts; Northwind's own keys are smallint. */
const FIRST_OWN_KEY = 30_000
const LAST_OWN_KEY = 32_767

/** After each transaction: a database that writes to memory would change its few categories faster than they can be compared. */
const PAUSE_MS = 3

/**
 * Inserts, updates and deletes products, suppliers and categories, one transaction after the other, until it is
 * stopped: what the monolith's users do while their tables are copied.
 */
export function startWriter(client: pg.Client, random: () => number): Writer {
  const written = { inserted: 0, updated: 0, deleted: 0 }
  const own: number[] = []
  let nextKey = FIRST_OWN_KEY
  let running = true
  const price = () => (Math.round(random() * 20_000) / 100).toFixed(2)

  async function insert(): Promise<void> {
    if (nextKey > LAST_OWN_KEY) return update()
    await client.query(
      `INSERT INTO products
       SELECT $1::smallint, 'Novelty ' || $1::smallint, supplier_id, category_id, quantity_per_unit, $2::real, units_in_stock, 0, NULL, 0
       FROM products WHERE product_id = $3`,
      [nextKey, price(), 1 + Math.floor(random() * 77)],
    )
    own.push(nextKey)
    nextKey += 1
    written.inserted += 1
  }

  async function update(): Promise<void> {
    const roll = random()
    if (roll < 0.6) {
      const changed = await client.query(
        `UPDATE products SET unit_price = $1, units_in_stock = (units_in_stock + 1) % 100 WHERE product_id = $2`,
        [price(), 1 + Math.floor(random() * 20_000)],
      )
      written.updated += changed.rowCount ?? 0
    } else if (roll < 0.8) {
      const changed = await client.query(`UPDATE suppliers SET phone = $1, region = NULL WHERE supplier_id = $2`, [
        `(0)${Math.floor(random() * 1e8)}`,
        1 + Math.floor(random() * 29),
      ])
      written.updated += changed.rowCount ?? 0
    } else {
      // Several tables in one transaction, and a key that changes.
      await client.query('BEGIN')
      const about = `Changed ${Math.floor(random() * 1e6)}`
      const changed = await client.query(`UPDATE categories SET description = $1 WHERE category_id = $2`, [
        about,
        1 + Math.floor(random() * 8),
      ])
      const moved = own.at(-1)
      if (moved !== undefined && nextKey <= LAST_OWN_KEY) {
        await client.query(`UPDATE products SET product_id = $1 WHERE product_id = $2`, [nextKey, moved])
        own[own.length - 1] = nextKey
        nextKey += 1
      }
      await client.query('COMMIT')
      written.updated += (changed.rowCount ?? 0) + (moved === undefined ? 0 : 1)
    }
  }

  async function remove(): Promise<void> {
    const key = own.splice(Math.floor(random() * own.length), 1)[0]
    if (key === undefined) return insert()
    await client.query(`DELETE FROM products WHERE product_id = $1`, [key])
    written.deleted += 1
  }

  const loop = (async () => {
    while (running) {
      const roll = random()
      if (roll < 0.3) await insert()
      else if (roll < 0.85) await update()
      else await remove()
      await sleep(PAUSE_MS)
    }
  })()
  // Whoever stops it gets the error; until then it must not end the process.
  loop.catch(() => {})

  return {
    written: () => ({ ...written }),
    async stop() {
      running = false
      await loop
      return { ...written }
    },
  }
}
