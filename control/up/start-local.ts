import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { LocalConfig } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { openFlagAdmin } from '@ficus/core/flags/open-flag-admin'
import { Ledger } from '@ficus/core/ledger/ledger'
import type { Server } from '@ficus/deploy/native/child'
import { startConnect } from '@ficus/deploy/native/connect'
import { assertPortFree } from '@ficus/deploy/native/free-port'
import { startKafka } from '@ficus/deploy/native/kafka'
import { startPostgres } from '@ficus/deploy/native/postgres'
import { startUnleash } from '@ficus/deploy/native/unleash'
import { createFlags, flagsOf } from '../preflight/flag-server.ts'
import { openPartLog, type PartLog } from './part-log.ts'
import { PidFile } from './pid-file.ts'
import { databasesOf, localOf, portsOf, refuseSharedPorts, UNLEASH_DATABASE } from './plan.ts'
import { startProcess } from './process.ts'

/** Something that runs, for a person. */
export interface LocalPart {
  readonly name: string
  /** Where it answers. */
  readonly url: string
  readonly pid: number
  /** The file that its log goes to. */
  readonly log: string
}

/** Everything that the config's `local` section lists, and the edge and sync. */
export interface LocalSystem extends AsyncDisposable {
  readonly parts: readonly LocalPart[]
  /** Resolves when a part ends by itself, with an error that holds its last lines. */
  readonly firstEnd: Promise<FicusError>
  /** Stops all, last-in first-out. May be called twice. */
  stop(): Promise<void>
}

export interface LocalOptions {
  /** Aborts the start; what runs already is stopped. */
  readonly signal: AbortSignal
  readonly events?: LocalEvents
}

/** What `startLocal` tells while it works. */
export interface LocalEvents {
  /** @param detail what takes its time: a download, a command that runs before it. */
  starting?(name: string, detail: string): void
  started?(part: LocalPart): void
  stopping?(name: string): void
}

/**
 * Starts what the config's `local` section lists, then the edge and sync, each once the one before is ready. State that
 * an earlier run left is gone on with.
 * @throws FICUS_PORT_TAKEN that names the setting; FICUS_LEASE_HELD where it runs already; FICUS_CONFIG_INVALID without
 *   `local`; FICUS_SERVICE_UNREACHABLE with the last lines of what did not start. Nothing runs then.
 */
export async function startLocal(loaded: LoadedConfig, { signal, events = {} }: LocalOptions): Promise<LocalSystem> {
  const local = localOf(loaded)
  const ports = portsOf(loaded.migration, local)
  refuseSharedPorts(ports)
  const stateDir = resolve(loaded.directory, local.stateDir)
  const pidFile = await PidFile.take(join(stateDir, 'up.json'), signal)
  const system = new Started(pidFile, join(stateDir, 'logs'), events, signal)
  try {
    for (const { port, name, setting } of ports) await assertPortFree(port, name, setting)
    await startServers(system, loaded, local, stateDir)
    await startProcesses(system, loaded, local)
    signal.throwIfAborted()
    return system
  } catch (error) {
    await system.stop()
    signal.throwIfAborted()
    throw error
  }
}

/** PostgreSQL, Unleash with its flags, Kafka and Kafka Connect. */
async function startServers(
  system: Started,
  loaded: LoadedConfig,
  local: LocalConfig,
  stateDir: string,
): Promise<void> {
  const { flags, cdc, ledger, capabilities } = loaded.migration
  const databases = databasesOf(loaded.migration, local)
  let unleashDatabase = ''
  if (local.postgres) {
    const { port } = local.postgres
    await system.add('postgres', '', async ({ write }) => {
      const { user, password } = databases
      const server = await startPostgres({ dataDir: join(stateDir, 'postgres'), port, user, password, log: write })
      for (const name of databases.names) await server.createDatabase(name)
      unleashDatabase = server.url(UNLEASH_DATABASE)
      return { server, url: `postgres://${user}@127.0.0.1:${port}` }
    })
    await (await Ledger.open(ledger.url, Object.keys(capabilities))).close()
  }
  if (local.unleash && flags.provider === 'unleash') {
    const { port } = local.unleash
    const tokens = { adminToken: flags.adminToken ?? '', backendToken: flags.token }
    await system.add('unleash', '', async ({ write }) => {
      const server = await startUnleash({ databaseUrl: unleashDatabase, port, ...tokens, log: write })
      return { server, url: server.url }
    })
  }
  await createMissingFlags(loaded)
  if (local.kafka && cdc.engine === 'debezium') {
    const { port, connectPort } = local.kafka
    const progress = (line: string) => system.events.starting?.('kafka', line)
    await system.add('kafka', '', async ({ write }) => {
      const server = await startKafka({ dir: join(stateDir, 'kafka'), port, log: write, progress })
      return { server, url: server.bootstrapServers }
    })
    await system.add('connect', '', async ({ write }) => {
      const options = { dir: join(stateDir, 'connect'), port: connectPort, bootstrapServers: `127.0.0.1:${port}` }
      const server = await startConnect({ ...options, log: write, progress })
      return { server, url: server.url }
    })
  }
}

/** The user's own processes, then the edge and sync. */
async function startProcesses(system: Started, loaded: LoadedConfig, local: LocalConfig): Promise<void> {
  const { edge, cdc } = loaded.migration
  const cwd = loaded.directory
  for (const { name, before, command, env, ready } of local.processes) {
    const detail = before.map(words => words.join(' ')).join(', then ')
    await system.add(name, detail, async log => {
      const server = await startProcess({ name, before, command, env, cwd, ready, log, signal: system.signal })
      return { server, url: new URL(ready).origin }
    })
  }
  const own = (name: string, module: string, flags: string[], management: Management, url: string) =>
    system.add(name, '', async log => {
      const main = fileURLToPath(import.meta.resolve(module))
      const command = ['node', main, '--config', loaded.file, ...flags]
      const ready = `${addressOf(management)}/ready`
      const options = { name, before: [], command, env: {}, cwd, ready, log, signal: system.signal }
      return { server: await startProcess(options), url }
    })
  const edgeState = ['--state-dir', join(resolve(cwd, local.stateDir), 'edge')]
  await own('edge', '@ficus/edge/main', edgeState, edge.management, addressOf(edge.listen))
  await own('sync', '@ficus/cdc/main', [], cdc.management, addressOf(cdc.management))
}

type Management = Readonly<{ host: string; port: number }>

/** Whoever listens on all addresses is asked at this machine's own. */
function addressOf({ host, port }: Management): string {
  return `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`
}

/** Dials stand at 0 until somebody turns them. */
async function createMissingFlags(loaded: LoadedConfig): Promise<void> {
  const { flags, capabilities } = loaded.migration
  const admin = openFlagAdmin(flags, loaded)
  const rollouts = await admin.read(flagsOf(Object.keys(capabilities)))
  const missing = [...rollouts].filter(([, rollout]) => rollout === null).map(([flag]) => flag)
  if (missing.length > 0) await createFlags(admin, missing)
}

/** What runs so far, and how it is stopped. */
class Started implements LocalSystem {
  readonly parts: LocalPart[] = []
  readonly firstEnd: Promise<FicusError>
  readonly events: LocalEvents
  readonly signal: AbortSignal
  readonly #servers: { readonly name: string; readonly server: Server }[] = []
  readonly #logs: PartLog[] = []
  readonly #pidFile: PidFile
  readonly #logFolder: string
  readonly #tellEnd: (error: FicusError) => void
  #stopping: Promise<void> | undefined

  constructor(pidFile: PidFile, logFolder: string, events: LocalEvents, signal: AbortSignal) {
    this.#pidFile = pidFile
    this.#logFolder = logFolder
    this.events = events
    this.signal = signal
    const { promise, resolve } = Promise.withResolvers<FicusError>()
    this.firstEnd = promise
    this.#tellEnd = resolve
  }

  async add(
    name: string,
    detail: string,
    start: (log: PartLog) => Promise<{ readonly server: Server; readonly url: string }>,
  ): Promise<void> {
    this.signal.throwIfAborted()
    this.events.starting?.(name, detail)
    const log = await openPartLog(this.#logFolder, name.replaceAll(/[^\w.-]/g, '-'))
    this.#logs.push(log)
    const { server, url } = await start(log)
    this.#servers.push({ name, server })
    await this.#pidFile.add(name, server.pid)
    const part = { name, url, pid: server.pid, log: log.path }
    this.parts.push(part)
    this.events.started?.(part)
    server.ended.then(how => {
      if (this.#stopping !== undefined) return
      this.#tellEnd(
        new FicusError('FICUS_SERVICE_UNREACHABLE', `${name} ended by itself (${how}):\n${log.tail()}`, {
          remedy: `Its last lines say why; all of its log is ${log.path}. Then run the command again.`,
        }),
      )
    })
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stopAll(): Promise<void> {
    for (const { name, server } of this.#servers.toReversed()) {
      this.events.stopping?.(name)
      await server.stop()
    }
    for (const log of this.#logs) await log.close()
    await this.#pidFile.release()
  }
}
