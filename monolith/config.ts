import { Failure } from './failure.ts'

/** What the shop reads from its environment. README.md explains each. */
export interface Config {
  readonly databaseUrl: string
  readonly host: string
  readonly port: number
  readonly adminApiKey: string
  readonly logLevel: LogLevel
  readonly providerStates: boolean
  /** Which build this is; null where nobody said. */
  readonly buildId: string | null
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

const EXAMPLE = 'DATABASE_URL=postgres://user:password@127.0.0.1:5432/shop'

type Environment = Readonly<Record<string, string | undefined>>

/** @throws Failure that names every variable that is missing or wrong. */
export function readConfig(env: Environment): Config {
  const problems: string[] = []
  const port = Number(env.PORT ?? 3000)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push(`PORT is "${env.PORT}", but has to be a number from 0 to 65535`)
  }
  const logLevel = LOG_LEVELS.find(level => level === (env.LOG_LEVEL ?? 'info'))
  if (logLevel === undefined) {
    problems.push(`LOG_LEVEL is "${env.LOG_LEVEL}", but has to be one of ${LOG_LEVELS.join(', ')}`)
  }
  const databaseUrl = readDatabaseUrl(env, problems)
  if (problems.length > 0 || logLevel === undefined || databaseUrl === null) {
    throw new Failure(2, problems.join('; '), `Mend the environment, for example: export ${EXAMPLE}`)
  }
  return {
    databaseUrl,
    host: env.HOST ?? '127.0.0.1',
    port,
    adminApiKey: env.ADMIN_API_KEY ?? 'dev-admin-key',
    logLevel,
    providerStates: env.PROVIDER_STATES === '1',
    buildId: env.BUILD_ID || null,
  }
}

/** A wrong URL is not repeated: it may hold a password. */
function readDatabaseUrl(env: Environment, problems: string[]): string | null {
  const url = env.DATABASE_URL
  if (url === undefined || url === '') {
    problems.push('DATABASE_URL is not set')
    return null
  }
  const protocol = URL.canParse(url) ? new URL(url).protocol : null
  if (protocol === 'postgres:' || protocol === 'postgresql:') return url
  problems.push('DATABASE_URL is not a URL of the form postgres://user:password@host:port/database')
  return null
}
