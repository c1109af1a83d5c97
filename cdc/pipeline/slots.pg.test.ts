import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isNearlyLost } from '@ficus/core/ledger/records'
import { startPostgres } from '@ficus/deploy/native/postgres'
import { postgresBinaries } from '@ficus/deploy/native/postgres-binaries'
import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import { temporaryFolder } from '@ficus/deploy/testing/temporary-folder'
import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { createHarness, reaches } from '../testing/sync-harness.ts'
import { createTcpProxy } from '../testing/tcp-proxy.ts'

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
const SLOT =
  'SELECT failover, synced AND NOT temporary AS ready, confirmed_flush_lsn::text AS flushed, restart_lsn::text AS restart, invalidation_reason FROM pg_replication_slots WHERE database = current_database()'

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const { major } = await postgresBinaries()
/** Since when servers copy slots to standbys, and give up idle ones. */
const FAILOVER = 17
const IDLE_TIMEOUT = 18

/** Waits until the target of `harness` holds what the database at `url` has. */
async function expectEqual(url: string, targetUrl: string): Promise<void> {
  await vi.waitFor(async () => expect(await query(targetUrl, ACTUAL)).toEqual(await query(url, EXPECTED)), {
    timeout: 40_000,
    interval: 50,
  })
}

it('an idle database lets the server release the log that its busy neighbour writes', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await using neighbour = await createDatabase('neighbour')
  await sync.streaming()
  await query(
    neighbour.url,
    `CREATE TABLE noise AS SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 20000) n`,
  )
  const [end] = await sync.onSource('SELECT pg_current_wal_lsn()::text AS lsn')
  // A checkpoint or a running-transactions record moves restart_lsn, and the server writes one now and then.
  await vi.waitFor(
    async () => {
      await sync.onSource('CHECKPOINT')
      const [slot] = await sync.onSource(
        `SELECT restart_lsn > '${end?.lsn}' AND confirmed_flush_lsn > '${end?.lsn}' AS moved FROM pg_replication_slots WHERE database = current_database()`,
      )
      expect(slot).toEqual({ moved: true })
    },
    { timeout: 40_000, interval: 200 },
  )
})

it.skipIf(major < IDLE_TIMEOUT)(
  'invariant 13: a slot that the server gave up for being idle: says so, and what keeps it from happening again',
  async () => {
    await using server = await startTestPostgres({ idle_replication_slot_timeout: '1s' })
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await query(server.url(), SOURCE)
    const source = { url: server.url(), name: 'the monolith’s database' }
    await (await sync.streaming({ source })).stop()
    await vi.waitFor(
      async () => {
        await query(server.url(), 'CHECKPOINT')
        expect(await query(server.url(), SLOT)).toMatchObject([{ invalidation_reason: 'idle_timeout' }])
      },
      { timeout: 40_000, interval: 500 },
    )
    const again = sync.pipeline({ source })
    await again.start()
    await reaches(again, 'failed')
    expect(again.status().error).toMatchObject({
      code: 'FICUS_SLOT_LOST',
      message: expect.stringContaining('idle_timeout'),
      remedy: expect.stringContaining('idle_replication_slot_timeout'),
    })
    await again.drop()
    await sync.streaming({ source })
    await expectEqual(server.url(), sync.target.url)
  },
)

it('invariant 13: tells that the server will not keep the slot for long, whatever sync does', async () => {
  await using server = await startTestPostgres({ max_slot_wal_keep_size: '1MB' })
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await query(server.url(), SOURCE)
  const source = { url: server.url(), name: 'the monolith’s database' }
  const pipeline = await sync.streaming({ source })
  await vi.waitFor(() => expect(pipeline.status().slot).toMatchObject({ walStatus: 'reserved' }), { timeout: 40_000 })
  await pipeline.stop()
  await query(server.url(), `UPDATE products SET name = 'before it is lost'`)
  await sync.onTarget('ALTER TABLE items RENAME title TO another')
  await query(server.url(), `SELECT pg_logical_emit_message(true, 'x', 'x'); SELECT pg_switch_wal();`.repeat(3))
  const failed = sync.pipeline({ source })
  await failed.start()
  await reaches(failed, 'failed')
  await failed.ended()
  const { slot, error } = failed.status()
  expect(error?.code).toBe('FICUS_MAPPING_INVALID')
  expect(slot?.walStatus).toBe('unreserved')
  expect(slot !== undefined && isNearlyLost(slot)).toBe(true)
  await sync.onTarget('ALTER TABLE items RENAME another TO title')
  const mended = await sync.streaming({ source })
  await expectEqual(server.url(), sync.target.url)
  await mended.stop()
})

it('invariant 3: stops at a slot of its name that is another one, and a new copy takes its place', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await using other = await createDatabase('other')
  await (await sync.streaming()).stop()
  const [row] = await sync.onSource(
    'SELECT slot_name AS name FROM pg_replication_slots WHERE database = current_database()',
  )
  const slot = String(row?.name)
  for (const [url, make, told] of [
    [sync.source.url, `pg_create_physical_replication_slot('${slot}', true)`, 'it is a physical one'],
    [other.url, `pg_create_logical_replication_slot('${slot}', 'pgoutput')`, 'it belongs to database other'],
  ] as const) {
    await sync.onSource('SELECT pg_drop_replication_slot($1)', [slot])
    await query(url, `SELECT ${make}`)
    const again = sync.pipeline()
    await again.start()
    await reaches(again, 'failed')
    expect(again.status().error).toMatchObject({
      code: 'FICUS_SLOT_LOST',
      message: expect.stringContaining(told),
      remedy: expect.stringContaining('Does the address lead to the database that the sync began with?'),
    })
  }
  await sync.pipeline().drop()
  await (await sync.streaming()).stop()
})

it('invariant 3: a network that swallows everything: sync notices the silence, and goes on by new connections', async () => {
  await using server = await startTestPostgres({ wal_sender_timeout: '1s' })
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await query(server.url(), SOURCE)
  await using proxy = await createTcpProxy(server.port)
  const errors: string[] = []
  const pipeline = await sync.streaming({
    source: { url: proxy.through(server.url()), name: 'the monolith’s database' },
    onStatus: ({ error }) => errors.push(error?.message ?? ''),
  })
  await query(server.url(), `UPDATE products SET name = 'before'`)
  await expectEqual(server.url(), sync.target.url)
  proxy.hang()
  await query(server.url(), `UPDATE products SET name = 'meanwhile'`)
  await vi.waitFor(() => expect(errors.join()).toMatch(/was not heard for 2 s/), { timeout: 40_000 })
  await expectEqual(server.url(), sync.target.url)
  await reaches(pipeline, 'streaming')
  await pipeline.stop()
})

it.skipIf(major < FAILOVER)('makes the slot one that standbies copy, unless told not to', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const pipeline = await sync.streaming()
  expect(await sync.onSource(SLOT)).toMatchObject([{ failover: true }])
  await pipeline.drop()
  await sync.streaming({ failoverSlot: false })
  expect(await sync.onSource(SLOT)).toMatchObject([{ failover: false }])
})

describe('failover to a standby', () => {
  /** A primary and a standby that synchronises its slots. */
  async function startPair(settings: Readonly<Record<string, string>>) {
    const folder = await temporaryFolder()
    const common = {
      max_wal_senders: '10',
      wal_level: 'logical',
      hot_standby_feedback: 'on',
      sync_replication_slots: 'on',
    }
    const options = { port: 0, password: 'test', settings: common }
    const primaryDir = join(folder, 'primary')
    const primary = await startPostgres({ ...options, dataDir: primaryDir })
    await query(primary.url(), `${SOURCE} SELECT pg_create_physical_replication_slot('standby', true)`)
    await primary.stop()
    const standbyDir = join(folder, 'standby')
    await writeFile(join(primaryDir, 'standby.signal'), '')
    await promisify(execFile)('cp', ['-a', primaryDir, standbyDir])
    await rm(join(primaryDir, 'standby.signal'))
    await primary.restart(settings)
    const connection = `host=127.0.0.1 port=${primary.port} user=postgres password=test dbname=postgres`
    const startStandby = () =>
      startPostgres({
        ...options,
        dataDir: standbyDir,
        settings: { ...common, primary_conninfo: connection, primary_slot_name: 'standby' },
      })
    return {
      primary,
      startStandby,
      [Symbol.asyncDispose]: async () => {
        await primary.stop()
        await rm(folder, { recursive: true, force: true })
      },
    }
  }

  it.skipIf(major < FAILOVER)(
    'invariant 3: the slot is there once the standby is promoted; nothing is lost or doubled',
    async () => {
      await using pair = await startPair({ synchronized_standby_slots: 'standby' })
      await using standby = await pair.startStandby()
      await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
      await using proxy = await createTcpProxy(pair.primary.port)
      const source = { url: proxy.through(pair.primary.url()), name: 'the monolith’s database' }
      const pipeline = await sync.streaming({ source })
      await query(pair.primary.url(), `UPDATE products SET name = 'before' WHERE id < 50`)
      // Until then the copy is temporary, and a promotion would remove it.
      await vi.waitFor(
        async () => {
          await query(pair.primary.url(), 'SELECT pg_log_standby_snapshot()')
          expect(await query(standby.url(), SLOT)).toMatchObject([{ failover: true, ready: true }])
        },
        { timeout: 120_000, interval: 500 },
      )
      await expectEqual(pair.primary.url(), sync.target.url)
      await query(pair.primary.url(), `UPDATE products SET name = 'the last' WHERE id < 10`)
      await expectEqual(pair.primary.url(), sync.target.url)
      await pair.primary.kill('SIGKILL')
      await query(standby.url(), 'SELECT pg_promote()')
      proxy.redirect(standby.port)
      await query(standby.url(), `UPDATE products SET name = 'after' WHERE id > 90; DELETE FROM products WHERE id = 1`)
      await expectEqual(standby.url(), sync.target.url)
      await reaches(pipeline, 'streaming')
      await pipeline.stop()
    },
    240_000,
  )

  it.skipIf(major < FAILOVER)(
    'invariant 13: a standby that had not received all: sync says so, and does not go on as if nothing had been',
    async () => {
      // Without synchronized_standby_slots sync may run ahead of the standby.
      await using pair = await startPair({})
      const first = await pair.startStandby()
      await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
      await using proxy = await createTcpProxy(pair.primary.port)
      const source = { url: proxy.through(pair.primary.url()), name: 'the monolith’s database' }
      const pipeline = await sync.streaming({ source })
      await vi.waitFor(async () => expect(await query(first.url(), SLOT)).toMatchObject([{ failover: true }]), {
        timeout: 60_000,
        interval: 200,
      })
      await first.stop()
      await query(pair.primary.url(), `UPDATE products SET name = 'only here'`)
      await expectEqual(pair.primary.url(), sync.target.url)
      await pair.primary.kill('SIGKILL')
      await using standby = await pair.startStandby()
      await query(standby.url(), 'SELECT pg_promote()')
      // The new history goes on past the position that the target has of the old one.
      await query(
        standby.url(),
        `CREATE TABLE noise AS SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 20000) n`,
      )
      proxy.redirect(standby.port)
      await reaches(pipeline, 'failed')
      expect(pipeline.status().error).toMatchObject({
        code: 'FICUS_SLOT_LOST',
        message: expect.stringMatching(/does not have: it left the history that they belong to at/),
        remedy: expect.stringContaining('synchronized_standby_slots'),
      })
      await pipeline.drop()
      const again = await sync.streaming({ source })
      await expectEqual(standby.url(), sync.target.url)
      await again.stop()
    },
    240_000,
  )
})
