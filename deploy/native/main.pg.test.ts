import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { endStack, isAlive, runStack, startStackProcess } from '../testing/stack-process.ts'
import type { ComponentName } from './components.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-stack-'))
  await chmod(folder, 0o755)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const start = (name: ComponentName) => startStackProcess([name], join(folder, 'stack'))

it('starts what is asked for and what that needs, and Ctrl-C leaves no process', { timeout: 180_000 }, async () => {
  const { stack, part } = await start('unleash')
  expect(await query(part('postgres').url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect((await fetch(`${part('unleash').url}/health`)).status).toBe(200)

  expect(await endStack(stack, 'SIGINT')).toBe(0)
  expect([part('postgres').pid, part('unleash').pid].filter(isAlive)).toEqual([])
})

it('takes its servers along when it is killed, and goes on with their data', async () => {
  const first = await start('postgres')
  await query(first.part('postgres').url, 'CREATE TABLE kept AS SELECT 7 AS n')
  await endStack(first.stack, 'SIGKILL')
  await expect.poll(() => isAlive(first.part('postgres').pid), { timeout: 20_000 }).toBe(false)

  const second = await start('postgres')
  expect(await query(second.part('postgres').url, 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  expect(await endStack(second.stack, 'SIGTERM')).toBe(0)
})

it('ends with the code of an unreachable part when one of them dies', async () => {
  const { stack, part, errors } = await start('postgres')
  process.kill(part('postgres').pid, 'SIGKILL')
  expect(await errors).toContain('PostgreSQL ended by itself (signal SIGKILL)')
  expect(stack.exitCode ?? (await once(stack, 'exit'))[0]).toBe(3)
})

it('names the flag of a port that is taken, before anything starts', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const stack = runStack(['--only', 'unleash', '--postgres-port', '0', '--unleash-port', String(port)])
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
