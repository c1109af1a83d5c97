// A public database that Ficus has never seen, moved by nothing but a config and a mapping, while it is written to.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { Ledger } from '@ficus/core/ledger/ledger'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { type Child, startChild } from '@ficus/deploy/native/child'
import { startConnect } from '@ficus/deploy/native/connect'
import { startKafka } from '@ficus/deploy/native/kafka'
import { startPostgres } from '@ficus/deploy/native/postgres'
import { mulberry32 } from '@ficus/deploy/testing/random'
import pg from 'pg'
import { readOptions } from '../testing/options.ts'
import { startArticleApp } from './article-app.ts'
import { startWriter, type Written } from './writer.ts'

const HELP = `Moves Northwind's products, categories and suppliers into a service database of another shape.

Usage: npm run e2e:northwind -- [--engine postgres|debezium] [--rows N] [--keep]
  --engine   how changes travel (default postgres; debezium needs Java and Maven)
  --rows     products to add to Northwind's 77, so that the copy takes a while (default 20000, at most 29000)
  --keep     leave the databases' folder where it is, and say where

The dump is ../shared/data/northwind.sql beside the clone, or the file that FICUS_NORTHWIND_SQL names.
Exits 0 when both sides hold the same, 1 when they differ, 2 on wrong usage or where Java or Maven is missing, 3 where the
dump is missing or a part does not answer.

Example: npm run e2e:northwind -- --engine debezium`

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const CAPABILITY = 'assortment'

const values = readOptions(HELP, {
  engine: { type: 'string', default: 'postgres' },
  rows: { type: 'string', default: '20000' },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const rows = Number(values.rows)
if (!['postgres', 'debezium'].includes(values.engine) || !Number.isInteger(rows) || rows < 0 || rows > 29_000) {
  console.error(HELP)
  process.exit(2)
}

await using releasers = new AsyncDisposableStack()
const interrupted = new AbortController()
void shutdownSignal().then(signal => interrupted.abort(new Error(`stopped by ${signal}`)))
try {
  process.exitCode = await moveNorthwind()
} catch (error) {
  const remedy = error instanceof FicusError ? `\n  ${error.remedy}` : ''
  console.error(`\n${error instanceof FicusError ? `${error.code}: ` : ''}${messageOf(error)}${remedy}`)
  process.exitCode = error instanceof FicusError ? error.exitCode : 1
}

async function moveNorthwind(): Promise<number> {
  const dump = resolve(root, process.env.FICUS_NORTHWIND_SQL ?? '../shared/data/northwind.sql')
  if (!existsSync(dump)) {
    console.error(`Northwind's dump is not at ${dump}; set FICUS_NORTHWIND_SQL to where it is.`)
    return 3
  }
  const folder = await mkdtemp(join(tmpdir(), 'ficus-northwind-'))
  await chmod(folder, 0o711)
  if (values.keep) console.log(`The databases stay in ${folder}.`)
  else releasers.defer(() => rm(folder, { recursive: true, force: true }))

  say('Start PostgreSQL, restore Northwind, and make an empty service database of another shape.')
  const server = await startPostgres({ dataDir: join(folder, 'postgres'), port: 0, password: 'northwind' })
  releasers.defer(() => server.stop())
  const [northwindUrl, assortmentUrl, ledgerUrl] = [
    await server.createDatabase('northwind'),
    await server.createDatabase('assortment'),
    await server.createDatabase('ledger'),
  ]
  const northwind = await open(northwindUrl)
  const assortment = await open(assortmentUrl)
  await restore(northwind, dump)
  await assortment.query(await readFile(join(here, 'assortment.sql'), 'utf8'))
  await addProducts(northwind, rows)

  const legacy = await startArticleApp(
    'northwind',
    await open(northwindUrl),
    'SELECT product_id AS no, product_name AS label FROM products WHERE product_id = $1',
  )
  releasers.defer(() => legacy.stop())
  const service = await startArticleApp(
    'assortment',
    await open(assortmentUrl),
    'SELECT article_no AS no, label FROM assortment.article WHERE article_no = $1',
  )
  releasers.defer(() => service.stop())

  const env: Record<string, string> = {
    NORTHWIND_URL: legacy.url,
    ASSORTMENT_URL: service.url,
    NORTHWIND_DATABASE_URL: northwindUrl,
    NORTHWIND_LEDGER_URL: ledgerUrl,
    ASSORTMENT_DATABASE_URL: assortmentUrl,
    NORTHWIND_ENGINE: values.engine,
    NORTHWIND_FLAGS: join(folder, 'flags.json'),
  }
  const dials = ['read', 'shadow', 'write'].map(dial => [`ficus.${CAPABILITY}.${dial}`, 0])
  await writeFile(join(folder, 'flags.json'), JSON.stringify(Object.fromEntries(dials)))
  if (values.engine === 'debezium') Object.assign(env, await startBroker(folder))

  say('Write to Northwind, and let sync copy it meanwhile.')
  const writer = startWriter(await open(northwindUrl), mulberry32(7))
  const sync = await startSync(env)
  releasers.defer(() => sync.stop())
  const config = join(here, 'ficus.config.ts')
  const started = await ficus(env, ['start', CAPABILITY, '--config', config])
  if (started !== 0) return started
  const ledger = await Ledger.open(ledgerUrl, [CAPABILITY])
  releasers.defer(() => ledger.close())
  await untilStreaming(ledger, sync)
  const whileCopying = writer.written()
  console.log(`Written until then: ${show(whileCopying)}.`)

  say('Compare while the writes go on: nothing in flight may raise a false alarm.')
  const during = await ficus(env, ['verify', CAPABILITY, '--data', '--config', config])
  const written = await writer.stop()
  console.log(`Written in all: ${show(written)}.`)

  say('Compare once more, now that it is quiet.')
  const quiet = await ficus(env, ['verify', CAPABILITY, '--data', '--config', config])

  say('Let the gates decide.')
  const advanced = await ficus(env, ['advance', CAPABILITY, '--config', config])
  await ficus(env, ['status', CAPABILITY, '--config', config])

  say('Plant a difference: a comparison that cannot fail would prove nothing.')
  await assortment.query(`UPDATE assortment.article SET label = label || ' ' WHERE article_no = 11`)
  const planted = await ficus(env, ['verify', CAPABILITY, '--data', '--config', config])
  const found = planted === 1
  console.log(found ? 'Found, as it must be.' : `NOT FOUND: verify exited with ${planted}.`)

  const equal = during === 0 && quiet === 0 && advanced === 0
  const enough = [whileCopying, written].every(({ inserted, updated, deleted }) => inserted * updated * deleted > 0)
  if (!enough) console.log('Too little was written for this to prove anything.')
  console.log(
    `\n${equal && found && enough ? 'GREEN' : 'RED'}: engine ${values.engine}, ${rows + 77} products and more.`,
  )
  return equal && found && enough ? 0 : 1
}

/** Kafka and Kafka Connect with Debezium; what the config reads of them. */
async function startBroker(folder: string): Promise<Record<string, string>> {
  say('Start Kafka and Kafka Connect with Debezium (the first time their jars are fetched).')
  const progress = (line: string) => console.log(line)
  const kafka = await startKafka({ dir: join(folder, 'kafka'), port: 0, progress })
  releasers.defer(() => kafka.stop())
  const { bootstrapServers } = kafka
  const connect = await startConnect({ dir: join(folder, 'connect'), port: 0, bootstrapServers, progress })
  releasers.defer(() => connect.stop())
  return { NORTHWIND_KAFKA: bootstrapServers, NORTHWIND_CONNECT: connect.url }
}

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  releasers.defer(() => client.end().catch(() => {}))
  return client
}

/** The dump is of an older PostgreSQL; `default_with_oids` is gone since 12. */
async function restore(client: pg.Client, dump: string): Promise<void> {
  const sql = await readFile(dump, 'utf8')
  await client.query(sql.replace(/^SET default_with_oids.*$/m, ''))
}

async function addProducts(client: pg.Client, count: number): Promise<void> {
  await client.query(
    `INSERT INTO products
     SELECT 100 + n, product_name || ' ' || n, supplier_id, category_id, quantity_per_unit,
            unit_price + n % 50, units_in_stock, units_on_order, reorder_level, discontinued
     FROM generate_series(1, $1::integer) n JOIN products ON product_id = 1 + n % 77`,
    [count],
  )
}

/** The sync process; it ends with this one, even when that is killed. */
function startSync(env: Record<string, string>): Promise<Child> {
  return startChild({
    name: 'sync',
    command: process.execPath,
    args: ['cdc/main.ts', '--config', join(here, 'ficus.config.ts')],
    cwd: root,
    env: { ...process.env, ...env },
  })
}

async function untilStreaming(ledger: Ledger, sync: Child): Promise<void> {
  const deadline = Date.now() + 180_000
  let ended: string | undefined
  void sync.ended.then(how => {
    ended = how
  })
  for (;;) {
    interrupted.signal.throwIfAborted()
    const status = await ledger.syncStatus(CAPABILITY)
    if (ended !== undefined) throw new Error(`sync ended (${ended}):\n${sync.tail()}`)
    if (status?.state === 'failed') throw new Error(`sync failed: ${status.error?.message} ${status.error?.remedy}`)
    if (status?.state === 'streaming') {
      console.log(`Copied ${status.copiedRows.toLocaleString('en-US')} rows; changes are streaming.`)
      return
    }
    if (Date.now() > deadline) throw new Error(`sync is not streaming after 180 s: ${JSON.stringify(status)}`)
    await sleep(100)
  }
}

/** Runs a `ficus` command as a person would; returns its exit code. */
async function ficus(env: Record<string, string>, args: readonly string[]): Promise<number> {
  interrupted.signal.throwIfAborted()
  console.log(
    `$ ficus ${args
      .filter(arg => !arg.startsWith(here))
      .join(' ')
      .replace(' --config', '')}`,
  )
  const child = spawn(process.execPath, [join(root, 'control/main.ts'), ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return new Promise(done => child.once('exit', code => done(code ?? 1)))
}

function show({ inserted, updated, deleted }: Written): string {
  return `${inserted} inserts, ${updated} updates, ${deleted} deletes`
}

function say(text: string): void {
  console.log(`\n== ${text}`)
}
