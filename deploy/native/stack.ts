import { join } from 'node:path'
import type { Server } from './child.ts'
import { COMPONENTS, type ComponentName } from './components.ts'
import { startConnect } from './connect.ts'
import { assertPortFree, freePort } from './free-port.ts'
import type { Progress } from './jars.ts'
import { findJava, javaPlaces } from './java.ts'
import { startKafka } from './kafka.ts'
import { type LogFile, openLogFile } from './log-file.ts'
import { startPostgres } from './postgres.ts'
import { readSecrets, type Secrets } from './secrets.ts'
import { startUnleash } from './unleash.ts'

export interface StackOptions {
  /** Which servers, in the order in which they start; each after those it needs. */
  readonly components: readonly ComponentName[]
  /** TCP ports of 127.0.0.1; 0 takes a free one. */
  readonly ports: Readonly<Record<ComponentName, number>>
  /** Holds their data and, in `logs`, their logs. */
  readonly stateDir: string
  readonly env: NodeJS.ProcessEnv
  readonly progress: Progress
}

/** One server that runs, and what one needs to use it. */
export interface StackEntry {
  readonly name: ComponentName
  readonly title: string
  /** What clients connect to. */
  readonly url: string
  readonly pid: number
  /** The file that its log goes to. */
  readonly log: string
  /** Log-in and tokens, where it has some. */
  readonly access: Readonly<Record<string, string>>
  readonly server: Server
}

/** The servers that were asked for. */
export interface Stack {
  readonly entries: readonly StackEntry[]
  /** Resolves with the first server that ends, whoever ended it. */
  readonly firstEnd: Promise<{ readonly entry: StackEntry; readonly how: string }>
  /** Stops them last-in first-out. May be called twice, and while they start. */
  stop(): Promise<void>
}

/**
 * Starts the servers of docker-compose.yml natively. All ports are tried, and Java is looked for, before the first server
 * starts.
 *
 * @param options which servers, and where.
 * @param signal aborts the start; what runs already is stopped.
 * @throws FicusError FICUS_PORT_TAKEN that names the flag, FICUS_COMPONENT_MISSING without Java, and what the starters throw; nothing runs then.
 */
export async function startStack(options: StackOptions, signal: AbortSignal): Promise<Stack> {
  const { components, ports, stateDir, progress } = options
  for (const name of components) {
    if (ports[name] !== 0) await assertPortFree(ports[name], COMPONENTS[name].title, COMPONENTS[name].flag)
  }
  if (components.includes('kafka')) await findJava(javaPlaces(options.env))
  const secrets = readSecrets(options.env)
  const entries: StackEntry[] = []
  const logs: LogFile[] = []
  let stopping: Promise<void> | undefined
  const stopAll = async () => {
    for (const entry of entries.toReversed()) {
      progress(`stopping ${entry.title} ...`)
      await entry.server.stop()
    }
    for (const log of logs) await log.close()
  }
  const stop = () => {
    stopping ??= stopAll()
    return stopping
  }
  try {
    for (const name of components) {
      signal.throwIfAborted()
      progress(`starting ${COMPONENTS[name].title} ...`)
      const log = await openLogFile(join(stateDir, 'logs'), name)
      logs.push(log)
      const port = ports[name] === 0 ? await freePort() : ports[name]
      const started = await STARTERS[name]({ port, stateDir, secrets, log: log.write, progress, entries })
      const { title } = COMPONENTS[name]
      entries.push({ name, title, pid: started.server.pid, log: log.path, ...started })
    }
  } catch (error) {
    await stop()
    signal.throwIfAborted()
    throw error
  }
  const ends = entries.map(entry => entry.server.ended.then(how => ({ entry, how })))
  return { entries, stop, firstEnd: Promise.race(ends) }
}

interface Given {
  readonly port: number
  readonly stateDir: string
  readonly secrets: Secrets
  readonly log: (line: string) => void
  readonly progress: Progress
  readonly entries: readonly StackEntry[]
}

type Started = Pick<StackEntry, 'url' | 'access' | 'server'>

const STARTERS: Record<ComponentName, (given: Given) => Promise<Started>> = {
  postgres: async ({ port, stateDir, secrets, log }) => {
    const password = secrets.POSTGRES_PASSWORD
    const server = await startPostgres({ dataDir: join(stateDir, 'postgres'), port, password, log })
    await server.createDatabase('unleash')
    return { server, url: server.url(), access: {} }
  },
  unleash: async ({ port, secrets, log, entries }) => {
    const databaseUrl = new URL(urlOf(entries, 'postgres'))
    databaseUrl.pathname = '/unleash'
    const tokens = { adminToken: secrets.UNLEASH_ADMIN_TOKEN, backendToken: secrets.UNLEASH_BACKEND_TOKEN }
    const server = await startUnleash({ databaseUrl: databaseUrl.href, port, ...tokens, log })
    return { server, url: server.url, access: { login: 'admin / unleash4all', ...tokens } }
  },
  kafka: async ({ port, stateDir, log, progress }) => {
    const server = await startKafka({ dir: join(stateDir, 'kafka'), port, log, progress })
    return { server, url: server.bootstrapServers, access: {} }
  },
  connect: async ({ port, stateDir, log, progress, entries }) => {
    const bootstrapServers = urlOf(entries, 'kafka')
    const server = await startConnect({ dir: join(stateDir, 'connect'), port, bootstrapServers, log, progress })
    return { server, url: server.url, access: {} }
  },
}

function urlOf(entries: readonly StackEntry[], name: ComponentName): string {
  const entry = entries.find(candidate => candidate.name === name)
  if (!entry) throw new Error(`${name} must start first`)
  return entry.url
}
