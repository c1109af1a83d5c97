import { ownCluster } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import { CAPABILITY, createHarness } from '../testing/sync-harness.ts'
import { diffCapability } from './diff-capability.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text);
  INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 100) n;
`
const TARGET = 'CREATE TABLE items (id int PRIMARY KEY, title text)'
const SYNC = { tables: [{ source: 'products', target: 'items', key: { id: 'id' }, forward: { title: 'name' } }] }
const MAX_ACTIVE = 24
// Where nobody else’s long transaction keeps both sides from one position.
const createDatabase = ownCluster()

it('waits while a server has more sessions at work than allowed, and goes on after', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  const { source, target } = sync
  const clients = Array.from({ length: MAX_ACTIVE + 2 }, () => new pg.Client({ connectionString: source.url }))
  await using closing = new AsyncDisposableStack()
  closing.defer(async () => {
    await Promise.all(clients.map(client => client.end()))
  })
  await Promise.all(clients.map(client => client.connect()))
  const busy = Promise.allSettled(clients.map(client => client.query('SELECT pg_sleep(600)')))
  const asleep = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
  await vi.waitFor(async () => expect(await sync.onSource(`SELECT ${asleep}`)).toHaveLength(clients.length), 20_000)

  const remarks: string[] = []
  const comparing = diffCapability({
    source,
    target,
    capability: CAPABILITY,
    direction: 'forward',
    sync: parseSync(SYNC),
    timeoutMs: 20_000,
    limits: { maxActive: MAX_ACTIVE },
    onRemark: remark => remarks.push(remark),
  })
  await vi.waitFor(() => expect(remarks).toHaveLength(1), 20_000)
  expect(remarks[0]).toMatch(/^waiting: \d+ sessions are at work in a server, and the limit is 24$/)
  await sync.onSource(`SELECT pg_cancel_backend(pid) ${asleep}`)
  await busy
  expect(await comparing).toMatchObject({ equal: true, tables: [{ compared: 100 }] })
  expect(remarks.at(-1)).toBe('going on')
})
