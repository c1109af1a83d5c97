import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
interface Part {
  readonly url: string
  readonly pid: number
}

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-stack-'))
  await chmod(folder, 0o755)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function run(...args: string[]): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  return spawn(process.execPath, [MAIN, '--state', join(folder, 'stack'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function start<Name extends string>(only: Name) {
  const stack = run('--only', only, '--json', '--postgres-port', '0', '--unleash-port', '0')
  const [line] = await once(createInterface({ input: stack.stdout }), 'line')
  const parts: Record<'postgres' | Name, Part> = JSON.parse(String(line))
  return { stack, parts }
}

it('starts what is asked for and what that needs, and Ctrl-C leaves no process', { timeout: 180_000 }, async () => {
  const { stack, parts } = await start('unleash')
  expect(await query(parts.postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect((await fetch(`${parts.unleash.url}/health`)).status).toBe(200)

  stack.kill('SIGINT')
  expect((await once(stack, 'exit'))[0]).toBe(0)
  expect([parts.postgres.pid, parts.unleash.pid].filter(isAlive)).toEqual([])
})

it('takes its servers along when it is killed, and goes on with their data', async () => {
  const first = await start('postgres')
  await query(first.parts.postgres.url, 'CREATE TABLE kept AS SELECT 7 AS n')
  first.stack.kill('SIGKILL')
  await expect.poll(() => isAlive(first.parts.postgres.pid), { timeout: 20_000 }).toBe(false)

  const second = await start('postgres')
  expect(await query(second.parts.postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  second.stack.kill('SIGTERM')
  expect((await once(second.stack, 'exit'))[0]).toBe(0)
})

it('ends with the code of an unreachable part when one of them dies', async () => {
  const { stack, parts } = await start('postgres')
  process.kill(parts.postgres.pid, 'SIGKILL')
  const errors = await text(stack.stderr)
  expect(errors).toContain('PostgreSQL ended by itself (signal SIGKILL)')
  expect(stack.exitCode ?? (await once(stack, 'exit'))[0]).toBe(3)
})

it('names the flag of a port that is taken, before anything starts', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const stack = run('--only', 'unleash', '--postgres-port', '0', '--unleash-port', String(port))
  const errors = await text(stack.stderr)
  expect(errors).toContain('FICUS_PORT_TAKEN')
  expect(errors).toContain('choose another port with --unleash-port')
  expect(errors).not.toContain('starting')
  other.close()
})

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let whole = ''
  for await (const chunk of stream) whole += String(chunk)
  return whole
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
