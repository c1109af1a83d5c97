import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { createCopyGate } from '../testing/copy-gate.ts'
import { createHarness, reaches } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 100) n;
`
const TARGET = 'CREATE TABLE items (item_id int PRIMARY KEY, title text)'
const SYNC = {
  tables: [{ source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name' } }],
}
const EXPECTED = 'SELECT id AS item_id, name AS title FROM products ORDER BY 1'
const ACTUAL = 'SELECT item_id, title FROM items ORDER BY 1'

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

it('invariant 13: names wal_level when it is not logical', async () => {
  await using server = await startTestPostgres({ wal_level: 'replica' })
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await query(server.url(), SOURCE)
  const pipeline = sync.pipeline({ source: { url: server.url(), name: 'the monolith’s database' } })
  await pipeline.start()
  await reaches(pipeline, 'failed')
  expect(pipeline.status().error).toMatchObject({
    code: 'FICUS_DATABASE_UNFIT',
    message: expect.stringContaining('wal_level'),
    remedy: expect.stringContaining('Set wal_level = logical'),
  })
  await pipeline.drop()
})

describe('invariant 3: a database that dies', () => {
  for (const side of ['source', 'target'] as const) {
    it(`the ${side}: sync waits, says so, and goes on when it is back`, async () => {
      await using server = await startTestPostgres()
      await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
      await query(server.url(), side === 'source' ? SOURCE : TARGET)
      const endpoint = { url: server.url(), name: `the ${side}` }
      const urls = { source: sync.source.url, target: sync.target.url, [side]: server.url() }
      const pipeline = await sync.streaming({ [side]: endpoint })
      await query(urls.source, `UPDATE products SET name = name || '!'`)
      await server.kill('SIGKILL')
      await reaches(pipeline, 'waiting')
      await vi.waitFor(() => expect(pipeline.status().error?.code).toBe('FICUS_DATABASE_UNREACHABLE'), {
        timeout: 10_000,
      })
      expect(pipeline.status().error?.message).toContain(`the ${side} at`)
      await server.restart()
      await query(urls.source, `UPDATE products SET name = name || '?'`)
      await vi.waitFor(
        async () => expect(await query(urls.target, ACTUAL)).toEqual(await query(urls.source, EXPECTED)),
        {
          timeout: 20_000,
          interval: 50,
        },
      )
      await reaches(pipeline, 'streaming')
      await pipeline.drop()
    })
  }
})

it('invariant 3: of two workers at once one works; when it goes, the other takes over', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const workers = [sync.pipeline(), sync.pipeline()]
  await Promise.all(workers.map(worker => worker.start()))
  await vi.waitFor(() => expect(workers.map(worker => worker.status().state)).toContain('streaming'), {
    timeout: 10_000,
  })
  expect(workers.map(worker => worker.status().state).sort()).toEqual(['streaming', 'waiting'])
  await sync.onSource(`UPDATE products SET name = name || '!'`)
  await sync.caughtUp()
  await workers.find(worker => worker.status().state === 'streaming')?.stop()
  await sync.onSource(`UPDATE products SET name = name || '?'`)
  await sync.caughtUp()
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
})

it('stops at once while it copies, and begins the copy anew', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const gate = await createCopyGate(sync, 'items', 'item_id', [50])
  await gate.close(50)
  const pipeline = sync.pipeline()
  await pipeline.start()
  await gate.reached(50)
  await pipeline.stop()
  expect(pipeline.status().state).toBe('stopped')
  expect(await sync.onTarget('SELECT state FROM ficus.progress')).toEqual([{ state: 'copying' }])
  await gate.open(50)
  await sync.streaming()
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
})

it('waits for transactions in flight before it makes its slot, and names them', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const idle = new pg.Client({ connectionString: sync.source.url, application_name: 'a forgotten session' })
  await idle.connect()
  await idle.query(`BEGIN; UPDATE products SET name = 'late' WHERE id = 1`)
  const pipeline = sync.pipeline()
  await pipeline.start()
  await vi.waitFor(() => expect(pipeline.status().error?.message).toContain('a forgotten session'), { timeout: 40_000 })
  expect(pipeline.status().state).toBe('waiting')
  await idle.query('COMMIT')
  await idle.end()
  await reaches(pipeline, 'streaming')
  expect(await sync.onTarget(ACTUAL)).toEqual(await sync.onSource(EXPECTED))
})

it('shows no lag while nobody writes, and lets the server release its log', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const pipeline = await sync.streaming()
  const flushed = async () =>
    String(
      (
        await sync.onSource(
          'SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE database = current_database()',
        )
      )[0]?.lsn,
    )
  const before = await flushed()
  // Other tables' writes fill the log too.
  await sync.onSource('CREATE TABLE noise AS SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 20000) n')
  await vi.waitFor(async () => expect(await flushed()).not.toBe(before), { timeout: 10_000 })
  await vi.waitFor(
    () => {
      expect(pipeline.status()).toMatchObject({ lagRows: 0 })
      expect(pipeline.status().lagSeconds).toBeLessThan(1)
    },
    { timeout: 10_000 },
  )
})
