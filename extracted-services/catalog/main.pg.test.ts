import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createDatabase, type TestDatabase, withWrongPassword } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase('catalog_main')
})

afterAll(() => database[Symbol.asyncDispose]())

/** Starts the program with nothing in its environment but what is given. */
function start(args: readonly string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN, ...args], { env })
  const output: string[] = []
  child.stdout.on('data', chunk => output.push(String(chunk)))
  child.stderr.on('data', chunk => output.push(String(chunk)))
  const exited = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited, output: () => output.join('') }
}

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const { exited, output } = start(args, env)
  const [code] = await exited
  return { code, output: output() }
}

/** Serves on a free port; resolves with the address once it listens. */
async function serve(
  env: Record<string, string> = {},
): Promise<{ url: string; child: ChildProcess; exited: Promise<unknown[]> }> {
  const { child, exited, output } = start(['serve'], { DATABASE_URL: database.url, PORT: '0', ...env })
  return new Promise((resolve, reject) => {
    child.stderr.on('data', () => {
      const [, url] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(output()) ?? []
      if (url !== undefined) resolve({ url, child, exited })
    })
    void exited.then(() => reject(new Error(`it ended: ${output()}`)))
  })
}

function without(what: 'database' | 'port', value: string): string {
  const url = new URL(database.url)
  if (what === 'database') url.pathname = `/${value}`
  if (what === 'port') url.port = value
  return url.href
}

it('migrates, serves, and is ready only once migrated', async () => {
  const { url, child, exited } = await serve({ BUILD_ID: '' })
  const early = await fetch(`${url}/ready`)
  expect(early.status).toBe(503)
  expect(await early.json()).toEqual({ status: 'not ready', reason: 'migrations have yet to run: 001-catalog' })

  expect(await run(['migrate'], { DATABASE_URL: database.url })).toEqual({
    code: 0,
    output: 'catalog: migrated 001-catalog\n',
  })
  expect((await run(['migrate'], { DATABASE_URL: database.url })).output).toContain('up to date')

  expect(await (await fetch(`${url}/ready`)).json()).toEqual({ status: 'ready' })
  expect(await (await fetch(`${url}/health`)).json()).toEqual({
    status: 'ok',
    version: expect.stringMatching(/^\d+\./),
  })
  expect(await (await fetch(`${url}/api/products`)).json()).toEqual({ items: [], page: 1, per_page: 20, total: 0 })
  expect(await (await fetch(`${url}/metrics`)).text()).toContain(
    'http_request_duration_seconds_count{method="GET",route="/api/products",status="200"} 1',
  )
  expect((await fetch(`${url}/_pact/provider-states`, { method: 'POST' })).status).toBe(404)
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})

it('names its build', async () => {
  const { url, child, exited } = await serve({ BUILD_ID: '4f2c1e' })
  expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok', version: '4f2c1e' })
  child.kill('SIGTERM')
  await exited
})

it('answers what is under way before it ends', async () => {
  await run(['migrate'], { DATABASE_URL: database.url })
  const blocker = new pg.Client({ connectionString: database.url })
  await blocker.connect()
  await blocker.query('begin; lock catalog.taxonomy in access exclusive mode')
  const { url, child, exited } = await serve()
  const answer = fetch(`${url}/api/categories`)
  await expect.poll(() => waitingSessions(blocker), { timeout: 10_000 }).toBe(1)

  child.kill('SIGTERM')
  await expect.poll(() => fetch(`${url}/health`).catch(() => 'refused'), { timeout: 10_000 }).toBe('refused')
  await blocker.query('rollback')
  await blocker.end()

  expect((await answer).status).toBe(200)
  expect(await exited).toEqual([0, null])
})

async function waitingSessions(client: pg.Client): Promise<number> {
  const { rows } = await client.query(
    `select count(*)::int as n from pg_stat_activity where application_name = 'catalog' and wait_event_type = 'Lock'`,
  )
  return rows[0].n
}

it.each([
  ['no command', [], {}, 'Usage: '],
  ['an unknown command', ['server'], {}, 'Usage: '],
  ['no DATABASE_URL', ['serve'], {}, 'DATABASE_URL is not set'],
  ['no address', ['migrate'], { DATABASE_URL: 'localhost:5432' }, 'DATABASE_URL is not a PostgreSQL address'],
  ['a wrong port', ['serve'], { DATABASE_URL: 'postgres://x/y', PORT: '70000' }, 'PORT is "70000"'],
  ['two problems', ['serve'], { PORT: '', LOG_LEVEL: 'loud' }, /DATABASE_URL.*\n.*PORT.*\n.*LOG_LEVEL/],
])('exits with 2 and says what to do: %s', async (_what, args, env, message) => {
  const { code, output } = await run(args, env)
  expect(output).toMatch(message)
  expect(code).toBe(2)
})

it.each(['migrate', 'serve'])('%s exits with 3 and says what to do when the database cannot be had', async command => {
  for (const [url, message] of [
    [withWrongPassword(database.url), 'the password is wrong'],
    [without('database', 'no_such'), 'database no_such at 127.0.0.1'],
    [without('port', '1'), 'nothing listens there'],
  ] as const) {
    const { code, output } = await run([command], { DATABASE_URL: url })
    expect(output).toContain(message)
    expect(output).not.toContain('wrong@')
    expect(code).toBe(3)
  }
})

it('exits with 3 when the port is taken', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  onTestFinished(() => void other.close())
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? `${address.port}` : ''
  const { code, output } = await run(['serve'], { DATABASE_URL: database.url, PORT: port })
  expect(output).toContain(`cannot listen on 127.0.0.1:${port}`)
  expect(code).toBe(3)
})
