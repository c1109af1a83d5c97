import type { Knex } from 'knex'
import * as catalog from './migrations/001-catalog.ts'
import * as customers from './migrations/002-customers.ts'
import * as orders from './migrations/003-orders.ts'
import * as stock from './migrations/004-stock.ts'
import * as reviewsAndLogs from './migrations/005-reviews-and-logs.ts'
import * as views from './migrations/006-views.ts'
import * as visibleProducts from './migrations/007-visible-products.ts'

/** In the order in which they run. A name that has run on some database never changes. */
const migrations = new Map<string, Knex.Migration>([
  ['001-catalog', catalog],
  ['002-customers', customers],
  ['003-orders', orders],
  ['004-stock', stock],
  ['005-reviews-and-logs', reviewsAndLogs],
  ['006-views', views],
  ['007-visible-products', visibleProducts],
])

/** Knex would find the files by itself, but with an import for each the type checker and any bundler see them too. */
const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => [...migrations.keys()],
  getMigrationName: name => name,
  getMigration: async name => {
    const migration = migrations.get(name)
    if (migration === undefined) throw new Error(`migration "${name}" has run on this database but is not in this code`)
    return migration
  },
}

/** Brings the schema up to date. Returns the names of the migrations that ran now: none if it was up to date. */
export async function migrate(db: Knex): Promise<string[]> {
  const [, ran]: [number, string[]] = await db.migrate.latest({ migrationSource })
  return ran
}

/** Takes back every migration, the newest first: an empty schema is left. */
export async function unmigrate(db: Knex): Promise<string[]> {
  const [, undone]: [number, string[]] = await db.migrate.rollback({ migrationSource }, true)
  return undone
}
