import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createDatabase, withWrongPassword } from '@ficus/deploy/testing/postgres'
import type { Knex } from 'knex'
import { expect, it, vi } from 'vitest'
import { openDatabase } from './database/connection.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const NODE = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))

function start(args: readonly string[], env: Record<string, string>): ChildProcess {
  return spawn(NODE, [MAIN, ...args], {
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const child = start(args, env)
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the child has no pipes')
  const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, 'close')])
  return { code: child.exitCode, out, err }
}

it('migrates, seeds once, and says so the second time', async () => {
  await using database = await createDatabase('shop')
  const env = { DATABASE_URL: database.url }
  expect(await run(['migrate'], env)).toMatchObject({ code: 0, out: expect.stringContaining('Ran 001-catalog') })
  const args = ['seed', '--products', '20', '--orders', '10']
  const seeded = await run(args, env)
  expect([seeded.code, seeded.out]).toEqual([0, expect.stringMatching(/^Seeded in/)])
  expect(seeded.err).toContain('seeding orders: 100 %')
  expect(await run(args, env)).toMatchObject({ code: 0, out: expect.stringContaining('nothing was changed') })
})

it('serves until SIGTERM, answers what has begun, and exits 0', async () => {
  await using database = await createDatabase('shop')
  const env = { DATABASE_URL: database.url }
  await run(['migrate'], env)
  const db = openDatabase(database.url)
  const shop = start([], { ...env, BUILD_ID: '4f2c1e' })
  try {
    const url = await listeningAt(shop)
    expect((await fetch(`${url}/ready`)).status).toBe(200)
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ version: '4f2c1e' })

    const lock = await db.transaction()
    await lock.raw('lock table products in access exclusive mode')
    const answer = fetch(`${url}/api/products`)
    await vi.waitFor(async () => expect(await waitingForLocks(db)).toBeGreaterThan(0), 10_000)
    shop.kill('SIGTERM')
    await refused(`${url}/ready`)
    await lock.commit()

    expect((await answer).status).toBe(200)
    if (shop.exitCode === null) await once(shop, 'close')
    expect([shop.exitCode, shop.signalCode]).toEqual([0, null])
  } finally {
    shop.kill('SIGKILL')
    await db.destroy()
  }
})

async function waitingForLocks(db: Knex): Promise<number> {
  const { rows } = await db.raw<{ rows: { n: number }[] }>(
    `select count(*)::int as n from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock' and query like '%products%'`,
  )
  return rows[0]?.n ?? 0
}

/** Resolves once new connections are refused. */
async function refused(url: string): Promise<void> {
  await vi.waitFor(() => expect(fetch(url)).rejects.toThrow(), 10_000)
}

it('shows help with an example', async () => {
  const help = await run(['--help'])
  expect([help.code, help.out]).toEqual([0, expect.stringContaining('$ node monolith/main.ts seed --products 10000')])
  expect((await run(['seed', '--help'])).out).toContain('Example:')
})

it.each([
  [['paint'], 'too many arguments'],
  [['seed', '--products', 'many'], 'has to be a whole number'],
  [['serve'], 'DATABASE_URL is not set'],
])('exits 2 for %j', async (args, message) => {
  expect(await run(args)).toMatchObject({ code: 2, err: expect.stringContaining(message) })
})

it('exits 3 with a remedy when the database cannot be had', async () => {
  await using database = await createDatabase('shop')
  const missing = new URL(database.url)
  missing.pathname = '/no_such_database'
  for (const [url, remedy] of [
    ['postgres://shop:shop@127.0.0.1:1/shop', 'Start PostgreSQL'],
    [withWrongPassword(database.url), 'Mend the user or the password'],
    [missing.href, 'Create the database'],
  ] as const) {
    expect(await run(['serve'], { DATABASE_URL: url })).toMatchObject({ code: 3, err: expect.stringContaining(remedy) })
  }
})

it('exits 3 when the port is taken, 1 when the schema is missing', async () => {
  await using database = await createDatabase('shop')
  const env = { DATABASE_URL: database.url }
  expect(await run(['serve'], env)).toMatchObject({ code: 1, err: expect.stringContaining('main.ts migrate') })
  await run(['migrate'], env)
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? String(address.port) : ''
  expect(await run(['serve'], { ...env, PORT: port })).toMatchObject({
    code: 3,
    err: expect.stringContaining('set PORT'),
  })
  other.close()
})

/** The address from the log line that says where it listens. */
async function listeningAt(shop: ChildProcess): Promise<string> {
  if (shop.stdout === null) throw new Error('the child has no pipes')
  for await (const line of createInterface({ input: shop.stdout })) {
    const url = /Server listening at (http:[^"]+)/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  throw new Error('the shop ended before it listened')
}
