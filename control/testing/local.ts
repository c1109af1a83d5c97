import { readFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MigrationInput } from '@ficus/core/config/schema'
import { freePort } from '@ficus/deploy/native/free-port'
import { temporaryFolder } from '@ficus/deploy/testing/temporary-folder'

/** A child of `ficus up` as its pid file names it. */
export interface LocalChild {
  readonly name: string
  readonly pid: number
}

/** A folder in which `ficus up` starts PostgreSQL, one small process, the edge and sync. */
export interface LocalFolder extends AsyncDisposable {
  readonly directory: string
  readonly ports: Readonly<Record<'postgres' | 'app' | 'edge' | 'edgeManagement' | 'syncManagement', number>>
  /** The children that the pid file names; none where there is no such file. */
  children(): Promise<LocalChild[]>
  /** Replaces the small process's program. */
  writeApp(text: string): Promise<void>
}

/** Answers everything; `/die` ends it with words of its own. */
const APP = `
  import { createServer } from 'node:http'
  createServer((request, response) => {
    if (request.url === '/die') {
      console.error('no more of this')
      process.exit(7)
    }
    response.end('{}')
  }).listen(process.env.PORT, '127.0.0.1')
`

/** @param change sections of the config that replace the usual ones. */
export async function createLocalFolder(change: Partial<MigrationInput> = {}): Promise<LocalFolder> {
  const directory = await temporaryFolder()
  const [postgres = 0, app = 0, edge = 0, edgeManagement = 0, syncManagement = 0] = await Promise.all(
    Array.from({ length: 5 }, () => freePort()),
  )
  const database = (name: string) => ({ url: `postgres://ada:secret@127.0.0.1:${postgres}/${name}` })
  const appUrl = `http://127.0.0.1:${app}`
  const config: MigrationInput = {
    name: 'test',
    monolith: { url: appUrl, database: database('old') },
    ledger: database('ledger'),
    flags: { provider: 'file', path: 'flags.json' },
    edge: { listen: { port: edge }, management: { port: edgeManagement }, cookieSecret: '0123456789abcdef' },
    cdc: { management: { port: syncManagement } },
    capabilities: {
      notes: { service: { url: appUrl, database: database('new') }, routes: ['GET /notes'], sync: 'sync.ts' },
    },
    local: {
      stateDir: 'state',
      postgres: { port: postgres },
      processes: [{ name: 'app', command: ['node', 'app.mjs'], env: { PORT: String(app) }, ready: `${appUrl}/ready` }],
    },
    ...change,
  }
  const writeApp = (text: string) => writeFile(join(directory, 'app.mjs'), text)
  await writeFile(join(directory, 'ficus.config.ts'), `export default ${JSON.stringify(config, null, 2)}\n`)
  await writeFile(join(directory, 'flags.json'), '{}')
  await writeFile(
    join(directory, 'sync.ts'),
    `export default { tables: [{ source: 'notes', target: 'memos', key: { id: 'id' }, forward: {} }] }`,
  )
  await writeApp(APP)
  return {
    directory,
    ports: { postgres, app, edge, edgeManagement, syncManagement },
    children: async () => {
      const text = await readFile(join(directory, 'state/up.json'), 'utf8').catch(() => '{ "children": [] }')
      const { children }: { children: LocalChild[] } = JSON.parse(text)
      return children
    },
    writeApp,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Whether a process lives. One that has ended stays in the list of processes until its parent has asked how: it does not. */
export function lives({ pid }: { readonly pid: number }): boolean {
  try {
    process.kill(pid, 0)
    // proc(5): the state stands behind the name in parentheses.
    return process.platform !== 'linux' || !/\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
