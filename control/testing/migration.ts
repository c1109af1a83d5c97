import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LoadedConfig, loadConfig } from '@ficus/core/config/load-config'
import type { MigrationInput } from '@ficus/core/config/schema'
import { flagNames } from '@ficus/core/flags/flags'
import { createDatabase, type TestDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { Control } from '../control.ts'
import { type Side, startSide } from './side.ts'

/** The capability of every test migration. */
export const CAPABILITY = 'notes'

/** The databases of a test migration. */
export interface TestUrls {
  readonly source: string
  readonly target: string
  readonly ledger: string
}

/** A small migration of a test's own: three databases, two sides, a flag file, a config and a sync file on disk. */
export interface TestMigration extends AsyncDisposable {
  readonly configFile: string
  readonly directory: string
  readonly monolith: Side
  readonly service: Side
  readonly urls: TestUrls
  load(): Promise<LoadedConfig>
  /** A handle of an operator's own; closed at the end. */
  control(actor?: string): Promise<Control>
  /** Runs SQL in a database. */
  run(side: 'source' | 'target' | 'ledger', sql: string): Promise<Record<string, unknown>[]>
  /** Locks the monolith's table, so that `ficus check` and its gate wait until this is disposed of. */
  lockNotes(): Promise<AsyncDisposable>
  dials(): Promise<{ read: number | undefined; shadow: number | undefined; write: number | undefined }>
  writeSync(text: string): Promise<void>
}

/** What the source database of every test migration holds. */
export const SOURCE_SQL = `
  CREATE TABLE notes (id int PRIMARY KEY, title text NOT NULL);
  INSERT INTO notes SELECT i, 'note ' || i FROM generate_series(1, 500) i`
const TARGET_SQL = 'CREATE TABLE memos (memo_id int PRIMARY KEY, heading text NOT NULL)'
const SYNC = `export default {
  tables: [{ source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'upper(title)' } }],
}\n`

/** Name of the config file of every test migration. */
const CONFIG_FILE = 'ficus.config.ts'

/** What differs from the usual migration. */
export interface TestMigrationOptions {
  /** Sections of the config that replace the usual ones. */
  readonly sections?: Partial<MigrationInput>
  /** Settings of the capability, beside the usual ones or instead of them. */
  readonly capability?: Readonly<Record<string, unknown>>
  /** Other capabilities, by name. */
  readonly others?: Readonly<Record<string, unknown>>
  /** Addresses that the config names instead of those of the migration's own databases. */
  readonly urls?: Partial<TestUrls>
  /** The text of the sync file. */
  readonly sync?: string
}

export async function createMigration(options: TestMigrationOptions = {}): Promise<TestMigration> {
  const [source, target, ledger] = await Promise.all(['old', 'new', 'ledger'].map(name => createDatabase(name)))
  if (source === undefined || target === undefined || ledger === undefined) throw new Error('three databases')
  const directory = await mkdtemp(join(tmpdir(), 'ficus-control-'))
  const [monolith, service] = await Promise.all([startSide('1.0'), startSide('7')])
  const urls = { source: source.url, target: target.url, ledger: ledger.url }
  const addresses = { ...urls, ...options.urls }
  const configFile = join(directory, CONFIG_FILE)
  const config = {
    name: 'test',
    monolith: { url: monolith.url, database: { url: addresses.source } },
    ledger: { url: addresses.ledger },
    flags: { provider: 'file', path: 'flags.json' },
    edge: { cookieSecret: '0123456789abcdef' },
    capabilities: {
      [CAPABILITY]: {
        service: { url: service.url, database: { url: addresses.target } },
        routes: ['GET /notes'],
        sync: 'sync.mjs',
        load: { requests: ['/notes', '/notes/1'] },
        gates: { shadow: { minimum: 10 }, load: { rate: 20, duration: '1s', p99FloorMs: 5_000 } },
        ...options.capability,
      },
      ...options.others,
    },
    ...options.sections,
  }
  await writeFile(configFile, `export default ${JSON.stringify(config, null, 2)}\n`)
  await writeFile(join(directory, 'sync.mjs'), options.sync ?? SYNC)
  await runSql(urls.source, SOURCE_SQL)
  await runSql(urls.target, TARGET_SQL)

  const controls: Control[] = []
  const load = () => loadConfig(configFile, {})
  return {
    configFile,
    directory,
    monolith,
    service,
    urls,
    load,
    control: async actor => {
      const control = await Control.open(await load(), actor)
      controls.push(control)
      return control
    },
    run: (side, sql) => runSql(urls[side], sql),
    lockNotes: async () => {
      const client = await openClient(urls.source)
      await client.query('BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE')
      return { [Symbol.asyncDispose]: () => client.end() }
    },
    dials: async () => {
      const flags: Record<string, number> = JSON.parse(await readFile(join(directory, 'flags.json'), 'utf8'))
      const names = flagNames(CAPABILITY)
      return { read: flags[names.read], shadow: flags[names.shadow], write: flags[names.write] }
    },
    writeSync: text => writeFile(join(directory, 'sync.mjs'), text),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(controls.map(control => control[Symbol.asyncDispose]()))
      await Promise.all([monolith, service].map(side => side[Symbol.asyncDispose]()))
      for (const database of [source, target, ledger] satisfies TestDatabase[]) await database[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function openClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Runs SQL in the database at `url`. */
export async function runSql(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await openClient(url)
  try {
    const { rows } = await client.query(sql)
    return rows ?? []
  } finally {
    await client.end()
  }
}
