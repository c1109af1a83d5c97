import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestPostgres } from '../testing/postgres.ts'
import { freePort } from './free-port.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-postgres-'))
  await chmod(folder, 0o755)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function start(port = 0, settings: Record<string, string> = {}): Promise<PostgresServer> {
  return startPostgres({
    dataDir: join(folder, 'data'),
    port,
    password: 'p@ss/word',
    settings: { fsync: 'off', ...settings },
  })
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

describe('startPostgres', () => {
  it('resumes an existing folder with its data and password', async () => {
    {
      await using first = await start()
      await query(await first.createDatabase('shop'), 'CREATE TABLE kept AS SELECT 7 AS n')
    }
    await using second = await start()
    expect(await query(await second.createDatabase('shop'), 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  })

  it('says so when the folder was made with another password', async () => {
    await (await start()).stop()
    await using server = await startPostgres({ dataDir: join(folder, 'data'), port: 0, password: 'another' })
    await expect(server.createDatabase('shop')).rejects.toMatchObject({
      code: 'FICUS_DATABASE_REFUSED',
      message: expect.stringContaining(join(folder, 'data')),
    })
  })

  it('listens on 127.0.0.1 only, with the settings of the mounted file', async () => {
    await using server = await start()
    const settings =
      "SELECT current_setting('listen_addresses') AS address, current_setting('max_replication_slots') AS slots"
    expect(await query(server.url(), settings)).toEqual([{ address: '127.0.0.1', slots: '64' }])
  })

  it('loses no commit when it is killed', async () => {
    await using server = await start()
    const url = await server.createDatabase('shop')
    await query(url, 'CREATE TABLE kept AS SELECT 7 AS n')
    const pid = server.pid
    await server.kill('SIGKILL')
    await expect(query(url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.restart()
    expect(server.pid).not.toBe(pid)
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  })

  it('may be stopped twice and leaves no process', async () => {
    const server = await start()
    await Promise.all([server.stop(), server.stop()])
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('names the port when something else listens there', async () => {
    const other = createServer().listen(await freePort(), '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    await expect(start(address.port)).rejects.toMatchObject({
      code: 'FICUS_PORT_TAKEN',
      message: expect.stringContaining(`127.0.0.1:${address.port}`),
    })
    other.close()
  })

  it('shows the log of a server that refuses its settings', async () => {
    await expect(start(0, { wal_level: 'nonsense' })).rejects.toMatchObject({
      code: 'FICUS_DATABASE_UNFIT',
      message: expect.stringContaining('invalid value for parameter "wal_level"'),
    })
  })

  it.runIf(process.getuid?.() === 0)('works in a folder that only root may enter', async () => {
    await chmod(folder, 0o700)
    await using server = await start()
    const url = await server.createDatabase('shop')
    await query(url, 'CREATE TABLE kept AS SELECT 7 AS n')
    await server.restart()
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  })
})

describe('a Node process that is killed', () => {
  const starter = `
    import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)}
    const server = await startPostgres({ dataDir: process.argv[1], port: 0, password: 'p@ss/word', settings: { fsync: 'off' } })
    console.log(server.pid)
    process.stdin.resume()`

  async function startElsewhere() {
    const node = spawn(process.execPath, ['--input-type=module', '-e', starter, join(folder, 'data')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [line] = await once(node.stdout, 'data')
    return { node, postmaster: Number(String(line)) }
  }

  it('takes its server along, and the next one goes on with the folder', async () => {
    const { node, postmaster } = await startElsewhere()
    node.kill('SIGKILL')
    await once(node, 'exit')
    await expect.poll(() => isAlive(postmaster), { timeout: 10_000 }).toBe(false)
    await using server = await start()
    expect(await query(server.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('is told from one that still uses the folder', async () => {
    const { node, postmaster } = await startElsewhere()
    await expect(start()).rejects.toMatchObject({ code: 'FICUS_LEASE_HELD' })
    expect(isAlive(postmaster)).toBe(true)
    node.kill('SIGKILL')
    await expect.poll(() => isAlive(postmaster), { timeout: 10_000 }).toBe(false)
  })
})

it('removes a throw-away cluster with its folder', async () => {
  const server = await startTestPostgres()
  await server.stop()
  await expect(stat(server.dataDir)).rejects.toThrow('ENOENT')
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
