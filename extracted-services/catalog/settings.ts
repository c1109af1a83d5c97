import manifest from './package.json' with { type: 'json' }

/** What the environment decides about a process of this service. */
export interface Settings {
  /** `postgres://user:password@host:port/database` */
  readonly databaseUrl: string
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** What a write must bring in `x-api-key`. */
  readonly adminApiKey: string
  /** Whether `POST /_pact/provider-states` exists. It empties tables: never where real data is. */
  readonly providerStates: boolean
  readonly logLevel: string
  /** What `/health` answers as `version`: BUILD_ID, or the release in package.json. */
  readonly version: string
}

/** A problem that only the person who started the process can mend; told in one line, without a stack. */
export class StartError extends Error {
  /** 2: bad usage or settings. 3: something that is needed does not answer. */
  readonly exitCode: 2 | 3

  constructor(message: string, exitCode: 2 | 3, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** Reads the environment. @throws StartError that lists every problem at once. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = []
  const databaseUrl = env.DATABASE_URL ?? ''
  if (databaseUrl === '') {
    problems.push('DATABASE_URL is not set: give it postgres://user:password@host:5432/catalog')
  } else if (!isDatabaseUrl(databaseUrl)) {
    problems.push('DATABASE_URL is not a PostgreSQL address: write postgres://user:password@host:5432/catalog')
  }
  const port = Number(env.PORT ?? '3001')
  if (!Number.isInteger(port) || port < 0 || port > 65_535 || env.PORT === '') {
    problems.push(`PORT is "${env.PORT}": give it a whole number from 0 to 65535`)
  }
  const logLevel = env.LOG_LEVEL ?? 'info'
  if (!LOG_LEVELS.includes(logLevel)) {
    problems.push(`LOG_LEVEL is "${logLevel}": use one of ${LOG_LEVELS.join(', ')}`)
  }
  if (problems.length > 0) throw new StartError(problems.join('\n'), 2)
  return {
    databaseUrl,
    host: env.HOST ?? '127.0.0.1',
    port,
    adminApiKey: env.ADMIN_API_KEY ?? 'dev-admin-key',
    providerStates: env.PROVIDER_STATES === '1',
    logLevel,
    version: env.BUILD_ID || manifest.version,
  }
}

function isDatabaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, pathname } = new URL(text)
  return /^postgres(ql)?:$/.test(protocol) && pathname.length > 1
}
