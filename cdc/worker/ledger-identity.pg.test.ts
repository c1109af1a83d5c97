import { Ledger } from '@ficus/core/ledger/ledger'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { beginWithoutCopy } from '../pipeline/begin-without-copy.ts'
import { createProcessHarness, type ProcessHarness } from '../testing/process-harness.ts'
import { createSyncFolder } from '../testing/sync-child.ts'
import { CAPABILITY, createHarness, LEDGER } from '../testing/sync-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 200) n;
`
const TARGET = 'CREATE TABLE items (item_id int PRIMARY KEY, title text)'
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'name' },
      reverse: { name: 'title' },
    },
  ],
}
const SLOTS = 'SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1'
const WITHIN = { timeout: 90_000, interval: 50 }

// Processes are started and stopped, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 240_000 })

async function whatIsThere({ sync }: ProcessHarness) {
  return {
    slots: await sync.onSource(SLOTS),
    publications: await sync.onSource('SELECT pubname FROM pg_publication'),
    rows: await sync.onTarget('SELECT count(*)::int AS rows FROM items'),
  }
}

it.each(['legacy', 'syncing'] as const)(
  'invariants 3, 10: a ledger that did not begin a sync has no say over it, whatever it believes: %s',
  async phase => {
    await using context = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
    const first = await context.folder.start()
    await context.move('syncing')
    await context.reports({ state: 'streaming' })
    await first.kill('SIGTERM')
    const before = await whatIsThere(context)
    expect(before).toMatchObject({ slots: [{}], publications: [{}], rows: [{ rows: 200 }] })

    await using other = await createDatabase('other')
    const ledger = await Ledger.open(other.url, ['catalog'])
    if (phase === 'syncing') {
      await ledger.move({
        capability: 'catalog',
        epoch: 0,
        to: phase,
        actor: 'x',
        action: 'move',
        reason: null,
        evidence: {},
      })
    }
    const folder = await context.folderWith(other.url)
    const stray = await folder.start()
    const failed = async () =>
      expect(await ledger.syncStatus('catalog')).toMatchObject({
        state: 'failed',
        error: { code: 'FICUS_LEDGER_MISMATCH', remedy: expect.stringContaining('Set ledger.url') },
      })
    await vi.waitFor(failed, WITHIN)
    await stray.kill('SIGTERM')
    await ledger.close()
    expect(await whatIsThere(context)).toEqual(before)

    // The right one goes on as if nothing had been.
    await context.folder.start()
    await context.sync.onSource(`INSERT INTO products VALUES (1000, 'later')`)
    await waitUntilCaughtUp({ ...context.sync, capability: 'catalog', direction: 'forward', timeoutMs: 20_000 })
  },
)

it('a ledger that takes another’s place while sync runs has no say either', async () => {
  await using context = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
  const child = await context.folder.start()
  await context.move('syncing')
  await context.reports({ state: 'streaming' })
  const before = await whatIsThere(context)
  const admin = await import('pg').then(({ default: pg }) => new pg.Client({ connectionString: context.ledgerUrl }))
  await admin.connect()
  await admin.query('DROP SCHEMA ficus CASCADE')
  await admin.end()
  const empty = await Ledger.open(context.ledgerUrl, ['catalog'])
  await vi.waitFor(
    async () => expect(await empty.syncStatus('catalog')).toMatchObject({ error: { code: 'FICUS_LEDGER_MISMATCH' } }),
    WITHIN,
  )
  await empty.close()
  await child.kill('SIGTERM')
  expect(await whatIsThere(context)).toEqual(before)
})

it('adopts a sync that no ledger is noted for, as one of an older version', async () => {
  await using context = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
  const first = await context.folder.start()
  await context.move('syncing')
  await context.reports({ state: 'streaming' })
  await first.kill('SIGTERM')
  await context.sync.onTarget('UPDATE ficus.progress SET ledger = NULL')
  await context.folder.start()
  await vi.waitFor(
    async () =>
      expect(await context.sync.onTarget('SELECT ledger FROM ficus.progress')).toEqual([
        { ledger: await context.ledger.id() },
      ]),
    WITHIN,
  )
})

it('two migrations may carry a capability of the same name out of one database', async () => {
  await using context = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
  await context.folder.start()
  await context.move('syncing')
  await context.reports({ state: 'streaming' })

  await using service = await createDatabase('second')
  await using ledgerDatabase = await createDatabase('ledger')
  await using second = await createHarness(
    async name => (name === 'target' ? service : createDatabase(name)),
    '',
    TARGET,
    SYNC,
  )
  const ledger = await Ledger.open(ledgerDatabase.url, ['catalog'])
  const urls = { monolithUrl: context.sync.source.url, serviceUrl: second.target.url, ledgerUrl: ledgerDatabase.url }
  await using folder = await createSyncFolder({ ...urls, sync: SYNC })
  await ledger.move({
    capability: 'catalog',
    epoch: 0,
    to: 'syncing',
    actor: 'x',
    action: 'move',
    reason: null,
    evidence: {},
  })
  await folder.start()
  const ends = { source: context.sync.source, target: second.target }
  const streams = async () => expect(await ledger.syncStatus('catalog')).toMatchObject({ state: 'streaming' })
  await vi.waitFor(streams, WITHIN)
  await ledger.close()

  await context.sync.onSource(`INSERT INTO products VALUES (1000, 'for both')`)
  for (const target of [context.sync.target, second.target]) {
    await waitUntilCaughtUp({ ...ends, target, capability: 'catalog', direction: 'forward', timeoutMs: 20_000 })
  }
  expect(await second.onTarget('SELECT title FROM items WHERE item_id = 1000')).toEqual([{ title: 'for both' }])
  expect(await context.sync.onSource(SLOTS)).toHaveLength(2)
})

it('a drop or a new start by another ledger touches nothing', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const pipeline = await sync.streaming()
  await pipeline.stop()
  const other = LEDGER.replace('1', '2')
  const mismatch = { code: 'FICUS_LEDGER_MISMATCH' }
  await expect(sync.pipeline({ ledger: other }).drop()).rejects.toMatchObject(mismatch)
  const begin = beginWithoutCopy({
    ...sync,
    capability: CAPABILITY,
    direction: 'forward',
    ledger: other,
    sync: parseSync(SYNC),
  })
  await expect(begin).rejects.toMatchObject(mismatch)
  expect(await sync.onTarget('SELECT FROM items')).toHaveLength(200)
  expect(await sync.onSource(SLOTS)).toHaveLength(1)
})
