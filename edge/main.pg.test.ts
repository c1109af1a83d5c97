import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@ficus/deploy/native/free-port'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startUpstream } from './testing/upstream.ts'
import { send, until } from './testing/wire.ts'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), 'main.ts')
let folder: string
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-main-'))
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

function run(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => {
    output.stdout += chunk
  })
  child.stderr.on('data', chunk => {
    output.stderr += chunk
  })
  return { child, output, ended: once(child, 'close') }
}

async function writeConfig(ledger: string, monolith: string): Promise<{ url: string; management: string }> {
  const [port, management] = [await freePort(), await freePort()]
  const database = { url: 'postgres://nobody@127.0.0.1:1/monolith' }
  const other = { url: 'postgres://nobody@127.0.0.1:1/service' }
  const config = {
    name: 'test',
    monolith: { url: monolith, database },
    ledger: { url: ledger },
    flags: { provider: 'file', path: 'flags.json' },
    edge: { listen: { port }, management: { port: management }, cookieSecret: 'a secret of the tests' },
    capabilities: {
      catalog: { service: { url: monolith, database: other }, routes: ['GET /items/:id'], sync: './sync.ts' },
    },
  }
  await writeFile(join(folder, 'ficus.config.ts'), `export default ${JSON.stringify(config)}`)
  await writeFile(join(folder, 'flags.json'), '{}')
  return { url: `http://127.0.0.1:${port}`, management: `http://127.0.0.1:${management}` }
}

const up = async (management: string) => {
  const answer = await send(`${management}/ready`).catch(() => null)
  return answer?.status === 200
}

describe('node edge/main.ts', () => {
  it('--help says how it is used, with an example', async () => {
    const { output, ended } = run('--help')
    expect(await ended).toEqual([0, null])
    expect(output.stdout).toMatch(
      /^Usage: node edge\/main\.ts.*Example: node edge\/main\.ts --config ficus\.config\.ts/s,
    )
  })

  it.each([
    [['--nonsense'], 'FICUS_USAGE'],
    [['--config', 'nowhere.ts'], 'FICUS_CONFIG_NOT_FOUND'],
  ])('%j ends with 2 and says why', async (args, code) => {
    const { output, ended } = run(...args)
    expect(await ended).toEqual([2, null])
    expect(output.stderr).toMatch(new RegExp(`^${code}: `))
  })

  it('serves until SIGTERM, then lets what is under way end and exits with 0', async () => {
    await using database = await createDatabase('main')
    const { promise: goOn, resolve: go } = Promise.withResolvers<void>()
    await using upstream = await startUpstream(async (_request, response) => {
      await goOn
      response.end('done')
    })
    const { url, management } = await writeConfig(database.url, upstream.url)
    const { child, output, ended } = run('--config', 'ficus.config.ts')
    await until(`it is ready\n${output.stderr}`, () => up(management), 20_000)

    const underWay = send(`${url}/items/1`)
    await until('the upstream has the request', () => upstream.requests.length === 1)
    child.kill('SIGTERM')
    await until('it is not ready', async () => !(await up(management)))
    go()

    expect((await underWay).text).toBe('done')
    expect(await ended).toEqual([0, null])
    expect(output.stderr).not.toMatch(/password|a secret of the tests/)
  })

  it('ends at once at the second signal', async () => {
    await using database = await createDatabase('main')
    await using upstream = await startUpstream(() => {})
    const { url, management } = await writeConfig(database.url, upstream.url)
    const { child, ended } = run()
    await until('it is ready', () => up(management), 20_000)
    send(`${url}/items/1`).catch(() => {})
    await until('the upstream has the request', () => upstream.requests.length === 1)
    child.kill('SIGTERM')
    await until('it is not ready', async () => !(await up(management)))
    child.kill('SIGTERM')
    expect(await ended).toEqual([130, null])
  })
})
