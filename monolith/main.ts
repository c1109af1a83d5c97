import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Knex } from 'knex'
import { pino } from 'pino'
import { createApp } from './app.ts'
import { type Config, readConfig } from './config.ts'
import { openDatabase } from './database/connection.ts'
import { migrate } from './database/migrate.ts'
import { toFailure } from './failure.ts'
import { createProgressLine } from './generator/progress-line.ts'
import { type SeedOptions, seed } from './generator/seed.ts'

const DRAIN_TIMEOUT = 10_000
const version = readVersion()

const program = new Command('shop')
  .description('The shop: one process, one database.')
  .version(version)
  .exitOverride()
  .addHelpText(
    'after',
    `
The database is named by DATABASE_URL; README.md lists the other variables.

Example:
  $ export DATABASE_URL=postgres://postgres:secret@127.0.0.1:5432/shop
  $ node monolith/main.ts migrate
  $ node monolith/main.ts seed --products 10000 --orders 50000
  $ node monolith/main.ts serve`,
  )

program
  .command('migrate')
  .description('bring the schema up to date')
  .action(() =>
    withDatabase(async db => {
      const ran = await migrate(db)
      console.log(ran.length === 0 ? 'The schema is up to date.' : `Ran ${ran.join(', ')}.`)
    }),
  )

program
  .command('seed')
  .description('fill the tables; the same arguments always give the same rows')
  .addOption(count('--products <n>', 'how many products', 1).default(10_000))
  .addOption(count('--orders <n>', 'how many orders').default(50_000))
  .addOption(count('--customers <n>', 'how many customers (default: a fifth of the orders)', 2))
  .addOption(count('--seed <n>', 'another number gives another shop').default(1))
  .option('--force', 'empty the tables first if there are products')
  .addHelpText('after', '\nExample:\n  $ node monolith/main.ts seed --products 500 --orders 2000 --force')
  .action((options: Omit<SeedOptions, 'onProgress'>) =>
    withDatabase(async db => {
      const progress = createProgressLine(process.stderr)
      const started = performance.now()
      const filled = await seed(db, { ...options, onProgress: progress.show })
      progress.end()
      const seconds = ((performance.now() - started) / 1_000).toFixed(1)
      console.log(
        filled ? `Seeded in ${seconds} s.` : 'There are products already; nothing was changed (--force reseeds).',
      )
    }),
  )

program
  .command('serve', { isDefault: true })
  .description('answer HTTP on HOST and PORT')
  .action(() => withDatabase(serve))

async function withDatabase(work: (db: Knex, config: Config) => Promise<void>): Promise<void> {
  const config = readConfig(process.env)
  const db = openDatabase(config.databaseUrl)
  try {
    await work(db, config)
  } finally {
    await db.destroy()
  }
}

/** Listens until SIGTERM or SIGINT, then answers what has begun and returns. */
async function serve(db: Knex, config: Config): Promise<void> {
  await db.raw('select from products limit 1')
  const logger = pino({ name: 'shop', level: config.logLevel })
  const { adminApiKey, providerStates, buildId } = config
  const app = createApp({ db, adminApiKey, providerStates, version: buildId ?? version, logger })
  const signal = nextSignal()
  await app.listen({ host: config.host, port: config.port })

  logger.info(`${await signal}: draining`)
  const timer = setTimeout(() => {
    logger.error(`requests still run after ${DRAIN_TIMEOUT} ms: giving them up`)
    process.exit(1)
  }, DRAIN_TIMEOUT)
  await app.close()
  clearTimeout(timer)
  logger.info('drained')
}

/** Resolves with the first signal; a second one then ends the process at once, as signals do. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}

function count(flags: string, description: string, min = 0): Option {
  return new Option(flags, description).argParser(text => {
    const value = Number(text)
    if (Number.isSafeInteger(value) && value >= min) return value
    throw new InvalidArgumentError(`It has to be a whole number, ${min} or more.`)
  })
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version)
  throw new Error('package.json has no version')
}

function exitCodeOf(error: unknown): number {
  // Commander has printed its message already; showing help is not an error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const failure = toFailure(error)
  if (failure === null) {
    console.error(error)
    return 1
  }
  console.error(`shop: ${failure.message}\n      ${failure.remedy}`)
  return failure.exitCode
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}
