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

async function startBoth() {
  const stack = run('--only', 'unleash', '--json', '--postgres-port', '0', '--unleash-port', '0')
  const [line] = await once(createInterface({ input: stack.stdout }), 'line')
  const parts: { postgres: Part; unleash: Part } = JSON.parse(String(line))
  return { stack, parts }
}

it('starts what is asked for, and Ctrl-C leaves no process', async () => {
  const { stack, parts } = await startBoth()
  const client = new pg.Client({ connectionString: parts.postgres.url })
  await client.connect()
  await client.end()
  expect((await fetch(`${parts.unleash.url}/health`)).status).toBe(200)

  stack.kill('SIGINT')
  expect((await once(stack, 'exit'))[0]).toBe(0)
  expect([parts.postgres.pid, parts.unleash.pid].filter(isAlive)).toEqual([])
})

it('takes its servers along when it is killed, and goes on with their data', async () => {
  const first = await startBoth()
  first.stack.kill('SIGKILL')
  const pids = [first.parts.postgres.pid, first.parts.unleash.pid]
  await expect.poll(() => pids.filter(isAlive), { timeout: 20_000 }).toEqual([])

  const second = await startBoth()
  expect(new URL(second.parts.postgres.url).password).toBe(new URL(first.parts.postgres.url).password)
  second.stack.kill('SIGTERM')
  expect((await once(second.stack, 'exit'))[0]).toBe(0)
})

it('ends with the code of an unreachable part when one of them dies', async () => {
  const { stack, parts } = await startBoth()
  process.kill(parts.unleash.pid, 'SIGKILL')
  const errors = await text(stack.stderr)
  expect(errors).toContain('Unleash ended by itself (signal SIGKILL)')
  expect(stack.exitCode ?? (await once(stack, 'exit'))[0]).toBe(3)
  expect(isAlive(parts.postgres.pid)).toBe(false)
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
