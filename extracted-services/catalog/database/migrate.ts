import type { Knex } from 'knex'
import * as catalog from './migrations/001-catalog.ts'

/** In the order in which they run. A name that has run on some database never changes. */
const migrations = new Map<string, Knex.Migration>([['001-catalog', catalog]])

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

const UNDEFINED_TABLE = '42P01'

/** The migrations that have yet to run on this database; reads only. @throws what the driver throws when it is down. */
export async function pendingMigrations(db: Knex): Promise<string[]> {
  const names = [...migrations.keys()]
  try {
    const ran: string[] = await db('knex_migrations').pluck('name')
    return names.filter(name => !ran.includes(name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) return names
    throw error
  }
}
