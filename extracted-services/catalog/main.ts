import { once } from 'node:events'
import { pino } from 'pino'
import { createApp } from './app.ts'
import { describeDatabaseError, openDatabase } from './database/connection.ts'
import { migrate } from './database/migrate.ts'
import { readSettings, type Settings, StartError } from './settings.ts'

const USAGE = `Usage: node extracted-services/catalog/main.ts <command>

  migrate   bring the database's schema up to date
  serve     answer requests until SIGTERM

Environment: DATABASE_URL (required), HOST, PORT, ADMIN_API_KEY, LOG_LEVEL, PROVIDER_STATES,
  BUILD_ID

Example: DATABASE_URL=postgres://postgres:secret@127.0.0.1:5432/catalog node extracted-services/catalog/main.ts serve`

/** Requests that are under way when the process is told to end may take this long, milliseconds. */
const DRAIN_LIMIT = 10_000

/** Exits 0 when done, 1 when something failed, 2 on bad usage or settings, 3 when the database or the port cannot be had. */
async function main([command, ...rest]: readonly string[]): Promise<void> {
  if (command === '--help' || command === '-h') return console.log(USAGE)
  if (rest.length > 0 || (command !== 'migrate' && command !== 'serve')) throw new StartError(USAGE, 2)
  const settings = readSettings(process.env)
  await (command === 'migrate' ? runMigrations(settings) : serve(settings))
}

async function runMigrations({ databaseUrl }: Settings): Promise<void> {
  const db = openDatabase(databaseUrl)
  try {
    const ran = await migrate(db)
    console.log(ran.length === 0 ? 'catalog: the schema is up to date' : `catalog: migrated ${ran.join(', ')}`)
  } catch (error) {
    throw startErrorOf(error, databaseUrl)
  } finally {
    await db.destroy()
  }
}

async function serve(settings: Settings): Promise<void> {
  const log = pino({ name: 'catalog', level: settings.logLevel }, pino.destination(2))
  const stopAsked = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  const db = openDatabase(settings.databaseUrl)
  try {
    await db.raw('select 1')
    const app = createApp({ db, log, ...settings })
    await app.listen({ host: settings.host, port: settings.port })

    await stopAsked
    log.info('draining')
    const tooLate = setTimeout(() => {
      log.error(`requests were still under way after ${DRAIN_LIMIT} ms`)
      process.exit(1)
    }, DRAIN_LIMIT)
    await app.close()
    clearTimeout(tooLate)
  } catch (error) {
    throw startErrorOf(error, settings.databaseUrl, settings)
  } finally {
    await db.destroy()
  }
}

/** Gives a failure to start the words that say what to change; anything else stays what it was. */
function startErrorOf(error: unknown, databaseUrl: string, listen?: { host: string; port: number }): unknown {
  if (error instanceof Error && 'syscall' in error && error.syscall === 'listen' && listen !== undefined) {
    const { host, port } = listen
    return new StartError(`cannot listen on ${host}:${port} (${error.message}): choose another HOST or PORT`, 3, error)
  }
  const problem = describeDatabaseError(error, databaseUrl)
  return problem === null ? error : new StartError(problem, 3, error)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof StartError) {
    for (const line of error.message.split('\n')) console.error(error.message === USAGE ? line : `catalog: ${line}`)
    process.exitCode = error.exitCode
  } else {
    console.error(error)
    process.exitCode = 1
  }
}
