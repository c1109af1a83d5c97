import { createDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import type { Change } from '../change-source/change-source.ts'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { createCopyGate } from '../testing/copy-gate.ts'
import { createHarness, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import type { PipelineOptions } from './pipeline-options.ts'

const table = (name: string) => `CREATE TABLE ${name} (id int PRIMARY KEY, n bigint, large text);`
const rows = (name: string, count: number) => `
  CREATE TABLE ${name} (id int PRIMARY KEY, n int, large text, pad int);
  ALTER TABLE ${name} ALTER large SET STORAGE EXTERNAL;
  INSERT INTO ${name} SELECT n, n, repeat('x', 3000), 1 FROM generate_series(1, ${count}) n;`
const mapping = (name: string) => ({
  source: name,
  target: name,
  key: { id: 'id' },
  forward: { n: 'n', large: 'n || large' },
})
const FIRSTS = mapping('firsts')
const SECONDS = mapping('seconds')
const ALTER = 'ALTER TABLE seconds ALTER pad TYPE bigint'

function open(tables: readonly (typeof FIRSTS)[]): Promise<SyncHarness> {
  const source = rows('firsts', 100) + rows('seconds', 1_000)
  return createHarness(createDatabase, source, table('firsts') + table('seconds'), { tables: [...tables] })
}

async function expectEqual(sync: SyncHarness): Promise<void> {
  await sync.caughtUp()
  const summed = (large: string) =>
    `SELECT count(*)::int AS rows, md5(string_agg(id || ':' || n || ${large}, ',' ORDER BY id)) FROM seconds`
  expect(await sync.onTarget(summed('large'))).toEqual(await sync.onSource(summed('n || large')))
}

/** A session that rewrites a table and has not committed; sync waits for it. */
async function openSession(sync: SyncHarness): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: sync.source.url })
  await client.connect()
  return client
}

async function commitOnceSyncWaits(sync: SyncHarness, client: pg.Client): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND application_name = 'ficus sync'`
  await vi.waitUntil(async () => (await sync.onSource(waiting)).length > 0, { timeout: 40_000, interval: 20 })
  await client.query('COMMIT')
  await client.end()
}

describe('invariant 3: a table that is rewritten looks empty to whoever began before, and nothing is taken for gone', () => {
  it('while it waits for its turn in the first copy: that begins anew', async () => {
    await using sync = await open([FIRSTS, SECONDS])
    const gate = await createCopyGate(sync, 'firsts', 'id', [50])
    await gate.close(50)
    const pipeline = sync.pipeline({ copyWorkers: 1 })
    await pipeline.start()
    await gate.reached(50)
    await sync.onSource(ALTER)
    await gate.open(50)
    await reaches(pipeline, 'streaming')
    await expectEqual(sync)
  })

  it('while it is read beside the stream: the rows are read again', async () => {
    await using sync = await open([FIRSTS])
    await (await sync.streaming()).stop()
    const gate = await createCopyGate(sync, 'seconds', 'id', [50])
    await gate.close(50)
    const pipeline = sync.pipeline({ sync: parseSync({ tables: [FIRSTS, SECONDS] }), batchRows: 100 })
    await pipeline.start()
    await gate.reached(50)
    const other = await openSession(sync)
    // It has to wait until the first rows were read.
    const altering = other.query(`BEGIN; ${ALTER}`)
    await vi.waitUntil(
      async () =>
        (await sync.onSource(`SELECT FROM pg_locks WHERE NOT granted AND relation = 'seconds'::regclass`)).length > 0,
      { timeout: 20_000, interval: 20 },
    )
    await gate.open(50)
    await altering
    await commitOnceSyncWaits(sync, other)
    await reaches(pipeline, 'streaming')
    await expectEqual(sync)
  })

  it('while values are read back from it: they are read again', async () => {
    await using sync = await open([SECONDS])
    const pipeline = await sync.streaming()
    const gate = new pg.Client({ connectionString: sync.target.url })
    await gate.connect()
    // The change is applied only once the table is being rewritten.
    await gate.query('BEGIN; LOCK TABLE ficus.progress IN ACCESS EXCLUSIVE MODE')
    await sync.onSource('UPDATE seconds SET n = n + 1 WHERE id < 10')
    const other = await openSession(sync)
    await other.query(`BEGIN; ${ALTER}`)
    await gate.query('COMMIT')
    await gate.end()
    await commitOnceSyncWaits(sync, other)
    await expectEqual(sync)
    await reaches(pipeline, 'streaming')
  })
})

const SECONDS_TABLE = { schema: 'public', table: 'seconds' }

/** An engine that brings no insertion and no deletion of `seconds`, and says so. */
const lackingEngine: PipelineOptions['engine'] = options => {
  const source = new PostgresSource(options)
  const read = source.read.bind(source)
  const isLost = ({ kind, relation }: Change) => relation.table.table === SECONDS_TABLE.table && kind !== 'update'
  return Object.assign(source, {
    async *read(...from: Parameters<typeof read>) {
      for await (const batch of read(...from)) {
        const changes = batch.changes.filter(change => !isLost(change))
        const first = batch.changes.findIndex(isLost)
        const lsn = batch.commits?.find(commit => commit.changes > first)?.lsn ?? null
        yield first === -1 ? batch : { ...batch, changes, lacking: [{ table: SECONDS_TABLE, lsn }] }
      }
    },
  })
}

async function noneRead(sync: SyncHarness): Promise<void> {
  await vi.waitFor(async () => expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([]), {
    timeout: 20_000,
    interval: 20,
  })
}

describe('invariant 3: rows of a table of which the engine knows that a change does not come are read anew', () => {
  it('while it streams', async () => {
    await using sync = await open([FIRSTS, SECONDS])
    const pipeline = await sync.streaming({ engine: lackingEngine })
    await sync.onSource(`BEGIN; DELETE FROM seconds WHERE id = 7; INSERT INTO seconds VALUES (1001, 5, 'y'); COMMIT`)
    await sync.onSource('UPDATE seconds SET n = 6 WHERE id = 1001')
    await vi.waitFor(
      async () => expect(await sync.onTarget('SELECT n FROM seconds WHERE id = 1001')).toEqual([{ n: '6' }]),
      { timeout: 20_000, interval: 20 },
    )
    await reaches(pipeline, 'streaming')
    await expectEqual(sync)
    await noneRead(sync)
  })

  it('once it has brought what came before: an older change would bring back a row whose deletion does not come', async () => {
    const small = (name: string) => `CREATE TABLE ${name} (id int PRIMARY KEY, n int, large text DEFAULT 'x', pad int);`
    await using sync = await createHarness(
      createDatabase,
      `${small('firsts')} ${small('seconds')} INSERT INTO seconds SELECT n, n FROM generate_series(1, 5) n`,
      table('firsts') + table('seconds'),
      { tables: [FIRSTS, SECONDS] },
    )
    await (await sync.streaming()).stop()
    await sync.onSource('INSERT INTO seconds VALUES (6, 6)')
    for (let first = 0; first < 2_000; first += 20)
      await sync.onSource('INSERT INTO firsts SELECT n, n FROM generate_series($1::int, $1 + 19) n', [first])
    await sync.onSource('UPDATE seconds SET n = n + 10 WHERE id = 3')
    await sync.onSource('DELETE FROM seconds WHERE id = 3')
    await sync.streaming({ batchRows: 50, engine: lackingEngine })
    await vi.waitFor(async () => expect(await sync.onTarget('SELECT FROM seconds WHERE id = 6')).toHaveLength(1), {
      timeout: 20_000,
      interval: 20,
    })
    await noneRead(sync)
    await expectEqual(sync)
  })
})
