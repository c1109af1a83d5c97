import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { SyncInput } from '../mapping/define-sync.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

/** What a sync process is started with. */
export interface SyncChildOptions {
  readonly monolithUrl: string
  readonly serviceUrl: string
  readonly ledgerUrl: string
  /** The sync file, or its text: a function is not JSON. */
  readonly sync: SyncInput | string
  readonly cdc?: Readonly<Record<string, unknown>>
  /** Settings of the capability. */
  readonly capability?: Readonly<Record<string, unknown>>
}

/** A sync process of its own, as an operator would start it. */
export interface SyncChild {
  readonly process: ChildProcess
  /** Where /ready and /metrics are. */
  readonly management: string
  /** Lines of its log. */
  readonly log: readonly Record<string, unknown>[]
  kill(signal: NodeJS.Signals): Promise<void>
}

/** A folder with a config and a sync file, and the processes that were started on it; `await using` ends and removes all. */
export interface SyncFolder extends AsyncDisposable {
  readonly config: string
  readonly sync: string
  /** Puts another sync file into its place, for the processes that start from now on. */
  replaceSync(sync: SyncChildOptions['sync']): Promise<void>
  start(options?: StartOptions): Promise<SyncChild>
}

/** What a process gets besides: options of Node itself, and variables on top of ours. */
export interface StartOptions {
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export async function createSyncFolder(options: SyncChildOptions): Promise<SyncFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'ficus-sync-'))
  const config = join(folder, 'ficus.config.ts')
  await writeFile(config, `export default ${JSON.stringify(migrationOf(options))}\n`)
  const syncFile = join(folder, 'sync.ts')
  const replaceSync = (sync: SyncChildOptions['sync']) =>
    writeFile(syncFile, typeof sync === 'string' ? sync : `export default ${JSON.stringify(sync)}\n`)
  await replaceSync(options.sync)
  const children: SyncChild[] = []
  return {
    config,
    sync: syncFile,
    replaceSync,
    start: async options => {
      const child = await startChild(config, options)
      children.push(child)
      return child
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(children.map(child => child.kill('SIGKILL')))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function startChild(config: string, { nodeArgs = [], env = {} }: StartOptions = {}): Promise<SyncChild> {
  const child = spawn(process.execPath, [...nodeArgs, MAIN, '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  })
  const log: Record<string, unknown>[] = []
  const ended = once(child, 'exit')
  const management = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', line => {
      const entry: Record<string, unknown> = line.startsWith('{') ? JSON.parse(line) : { msg: line }
      log.push(entry)
      if (typeof entry.management === 'string') resolve(entry.management)
    })
    ended.then(() => reject(new Error(`sync ended while it started: ${JSON.stringify(log)}`)))
  })
  return {
    process: child,
    management,
    log,
    kill: async signal => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill(signal)
      await ended
    },
  }
}

function migrationOf({ monolithUrl, serviceUrl, ledgerUrl, cdc, capability }: SyncChildOptions): unknown {
  return {
    name: 'test',
    monolith: { url: 'http://127.0.0.1:1', database: { url: monolithUrl } },
    ledger: { url: ledgerUrl },
    flags: { provider: 'file', path: 'flags.json' },
    edge: { cookieSecret: 'a secret of the test' },
    cdc: { management: { port: 0 }, ...cdc },
    capabilities: {
      catalog: {
        service: { url: 'http://127.0.0.1:1', database: { url: serviceUrl } },
        routes: ['GET /products'],
        sync: 'sync.ts',
        ...capability,
      },
    },
  }
}
