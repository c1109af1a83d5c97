import { loadConfig } from '@ficus/core/config/load-config'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { beginWithoutCopy } from '../pipeline/begin-without-copy.ts'
import { createSyncFolder } from '../testing/sync-child.ts'
import { CAPABILITY, createHarness, LEDGER, reaches } from '../testing/sync-harness.ts'
import { loadSyncOf } from '../worker/capability-sync.ts'

const ITEMS = {
  source: 'products',
  target: 'items',
  key: { id: 'id' },
  forward: { name: 'name' },
  reverse: { name: 'name' },
}
const BACK = { source: 'outbox', target: 'events', key: { id: 'id' }, forward: { payload: 'payload' } }
const OUTBOX = { source: 'events', target: 'public.outbox', key: { id: 'id' }, forward: {} }

it('an outbox beside the mapped tables is never published, and its events never reach the monolith', async () => {
  await using sync = await createHarness(
    createDatabase,
    'CREATE TABLE products (id int PRIMARY KEY, name text)',
    'CREATE TABLE items (id int PRIMARY KEY, name text); CREATE TABLE outbox (id uuid PRIMARY KEY, payload jsonb)',
    { tables: [ITEMS] },
  )
  const reversed = { source: sync.target, target: sync.source }
  const key = { capability: CAPABILITY, direction: 'reverse', ledger: LEDGER } as const
  await beginWithoutCopy({ ...reversed, ...key, sync: parseSync({ tables: [ITEMS] }) })
  const reverse = sync.pipeline({ ...reversed, direction: 'reverse' })
  await reverse.start()
  await reaches(reverse, 'streaming')
  await sync.onTarget(
    `BEGIN; INSERT INTO items VALUES (1, 'tea'); INSERT INTO outbox VALUES (gen_random_uuid(), '{}'); COMMIT`,
  )
  await waitUntilCaughtUp({ ...reversed, ...key, timeoutMs: 20_000 })
  expect(reverse.status()).toMatchObject({ state: 'streaming', appliedRows: 1 })
  expect(await sync.onTarget('SELECT tablename FROM pg_publication_tables')).toEqual([{ tablename: 'items' }])
})

it('a sync file that maps the outbox is refused', async () => {
  const url = 'postgres://127.0.0.1:1/none'
  const urls = { monolithUrl: url, serviceUrl: `${url}2`, ledgerUrl: `${url}3` }
  await using folder = await createSyncFolder({ ...urls, sync: { tables: [ITEMS, OUTBOX], back: [BACK] } })
  const loaded = await loadConfig(folder.config, {})
  await expect(loadSyncOf(loaded, CAPABILITY)).resolves.toMatchObject({ tables: [{}, {}] })
  const catalog = loaded.migration.capabilities.catalog
  if (catalog === undefined) throw new Error('the folder has a capability catalog')
  const withOutbox = { ...catalog, service: { ...catalog.service, outbox: 'outbox' } }
  const migration = { ...loaded.migration, capabilities: { catalog: withOutbox } }
  const outbox = 'public.outbox is the service’s outbox, whose rows are events and never synced'
  await expect(loadSyncOf({ ...loaded, migration }, CAPABILITY)).rejects.toMatchObject({
    code: 'FICUS_MAPPING_INVALID',
    details: {
      problems: [
        { path: 'tables[1].target', problem: outbox },
        { path: 'back[0]', problem: outbox },
      ],
    },
  })
})
