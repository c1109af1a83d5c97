import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { beginWithoutCopy } from '../pipeline/begin-without-copy.ts'
import { createProcessHarness, type ProcessHarness } from '../testing/process-harness.ts'

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
// Processes are started and stopped, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 240_000 })

const SLOTS = 'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'

/** Has an ordinary trigger of the table note each row that is written. */
function noting(table: string): string {
  return `
    CREATE TABLE fired (n int);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (1); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION note()`
}

/** What the switch does before it moves the phase. */
async function recordReverseStart({ sync, ledger }: ProcessHarness): Promise<void> {
  const ends = { source: sync.target, target: sync.source }
  const key = { capability: 'catalog', direction: 'reverse', ledger: await ledger.id() } as const
  await beginWithoutCopy({ ...ends, ...key, sync: parseSync(SYNC) })
}

async function reverseCaughtUp({ sync }: ProcessHarness): Promise<void> {
  const ends = { source: sync.target, target: sync.source }
  await waitUntilCaughtUp({ ...ends, capability: 'catalog', direction: 'reverse', timeoutMs: 30_000 })
}

async function expectEqual({ sync }: ProcessHarness): Promise<void> {
  expect(await sync.onSource('SELECT id, name FROM products ORDER BY id')).toEqual(
    await sync.onTarget('SELECT item_id AS id, title AS name FROM items ORDER BY item_id'),
  )
}

it('invariants 3, 5, 10: carries back what the service writes while it owns, restarts included, and forward again after it', async () => {
  const triggers = { forward: 'fire', reverse: 'silent' }
  const noted = [`${SOURCE}; ${noting('products')}`, `${TARGET}; ${noting('items')}`] as const
  await using context = await createProcessHarness(createDatabase, ...noted, SYNC, { triggers })
  const { sync, folder, move, reports } = context
  let child = await folder.start()
  await move('syncing')
  await reports({ state: 'streaming', direction: 'forward' })

  // Each side's own, as the config says of the direction that writes there.
  expect(await sync.onTarget('SELECT count(*)::int AS fired FROM fired')).toEqual([{ fired: 200 }])

  await recordReverseStart(context)
  await move('extracted')
  await reports({ state: 'streaming', direction: 'reverse' })
  await sync.onTarget(`INSERT INTO items VALUES (1000, 'of the service'); DELETE FROM items WHERE item_id = 1`)
  await reverseCaughtUp(context)
  await expectEqual(context)
  expect(await (await fetch(`${child.management}/metrics`)).text()).toContain(
    'ficus_sync_state{capability="catalog",direction="reverse",state="streaming"} 1',
  )
  const ready = await (await fetch(`${child.management}/ready`)).json()
  expect(ready).toMatchObject({ capabilities: { catalog: { direction: 'reverse', state: 'streaming' } } })

  await child.kill('SIGKILL')
  await sync.onTarget(`UPDATE items SET title = title || '!' WHERE item_id <= 100`)
  child = await folder.start()
  await reports({ state: 'streaming', direction: 'reverse' })
  await reverseCaughtUp(context)
  await expectEqual(context)
  const [reverse] = await sync.onSource(`SELECT applied_rows::int AS rows FROM ficus.progress`)
  expect(reverse).toEqual({ rows: 101 })
  expect(await sync.onSource('SELECT FROM fired')).toEqual([])

  await move('canary')
  await reports({ state: 'streaming', direction: 'forward' })
  await sync.onSource(`INSERT INTO products VALUES (2000, 'of the monolith')`)
  await waitUntilCaughtUp({ ...sync, capability: 'catalog', direction: 'forward', timeoutMs: 30_000 })
  await expectEqual(context)
  const [forward] = await sync.onTarget(`SELECT applied_rows::int AS rows FROM ficus.progress`)
  expect(forward).toEqual({ rows: 1 })

  await move('legacy')
  await reports({ state: 'dropped' })
  expect(await sync.onSource('SELECT count(*)::int AS rows FROM products')).toEqual([{ rows: 201 }])
  expect(await sync.onTarget('SELECT FROM items')).toEqual([])
  for (const side of [sync.onSource, sync.onTarget]) {
    expect(await side(SLOTS)).toEqual([])
    expect(await side('SELECT FROM pg_publication')).toEqual([])
    expect(await side('SELECT FROM ficus.progress')).toEqual([])
  }
})

it('invariant 3: never guesses where reverse starts, and never copies into the monolith', async () => {
  await using context = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
  const { sync, folder, move, reports } = context
  await folder.start()
  await move('syncing')
  await reports({ state: 'streaming' })
  await move('extracted')
  await reports({ state: 'failed', direction: 'reverse', error: { code: 'FICUS_SYNC_NOT_BEGUN' } })
  expect(await sync.onTarget(SLOTS)).toEqual([])
  expect(await sync.onSource('SELECT FROM products')).toHaveLength(200)
})

it('retired: nothing flows and nothing holds the log, and every row stays', async () => {
  await using context = await createProcessHarness(createDatabase, `${SOURCE}; ${noting('products')}`, TARGET, SYNC, {
    triggers: { reverse: 'fire' },
  })
  const { sync, folder, move, reports } = context
  await folder.start()
  await move('syncing')
  await reports({ state: 'streaming' })
  await recordReverseStart(context)
  await move('extracted')
  await reports({ state: 'streaming', direction: 'reverse' })
  await sync.onTarget(`UPDATE items SET title = 'of the service' WHERE item_id <= 5`)
  await reverseCaughtUp(context)
  expect(await sync.onSource('SELECT FROM fired'), 'by the monolith’s trigger').toHaveLength(5)
  await move('retired')
  await reports({ state: 'stopped' })
  for (const side of [sync.onSource, sync.onTarget]) {
    expect(await side(SLOTS)).toEqual([])
    expect(await side('SELECT FROM pg_publication')).toEqual([])
    expect(await side('SELECT state FROM ficus.progress')).toEqual([{ state: 'ended' }])
  }
  expect(await sync.onTarget('SELECT FROM items')).toHaveLength(200)
})

it('never carries a direction while another process still carries the opposite one', async () => {
  await using context = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
  const { sync, folder, move, reports } = context
  const first = await folder.start()
  await move('syncing')
  await reports({ state: 'streaming' })
  await recordReverseStart(context)
  await first.kill('SIGTERM')
  // Stands for a process that has not seen the new phase: it holds the turn of forward.
  const turn = `hashtext('ficus sync'), hashtext('catalog forward')`
  await sync.onTarget(`SELECT pg_advisory_lock(${turn})`)
  await move('extracted')
  const second = await folder.start()
  await vi.waitFor(
    () => expect(second.log.map(({ msg }) => msg)).toContain('another process still carries the opposite direction'),
    {
      timeout: 20_000,
    },
  )
  const ready = await (await fetch(`${second.management}/ready`)).json()
  expect(ready).toMatchObject({ capabilities: { catalog: null } })
  await sync.onTarget(`SELECT pg_advisory_unlock(${turn})`)
  await reports({ state: 'streaming', direction: 'reverse' })
})
