import { once } from 'node:events'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { createProcessHarness } from '../testing/process-harness.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name text, stock int);
  INSERT INTO products SELECT n, 'product ' || n, n FROM generate_series(1, 100) n;
`
const TARGET = 'CREATE TABLE items (item_id int PRIMARY KEY, title text, stock int CHECK (stock >= 0))'
const SYNC = {
  tables: [{ source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name', stock: 'stock' } }],
}

/** Preloaded: kills the process where it first passes the point that the environment names. */
const KILLER = `data:text/javascript,${encodeURIComponent(`
  import { subscribe } from 'node:diagnostics_channel'
  subscribe('ficus:point', name => { if (name === process.env.DIE_AT) process.kill(process.pid, 'SIGKILL') })`)}`

it('invariants 4 and 11: killed around the commit that parks, sync parks once and keeps the key blocked', {
  timeout: 180_000,
}, async () => {
  await using harness = await createProcessHarness(createDatabase, SOURCE, TARGET, SYNC)
  const { sync, folder } = harness
  await harness.move('syncing')
  const first = await folder.start()
  await harness.reports({ state: 'streaming' })
  await first.kill('SIGTERM')

  await sync.onSource('UPDATE products SET stock = -1 WHERE id = 7')
  for (const point of ['apply.merged', 'apply.committing', 'apply.committed', 'apply.merged']) {
    // It may die before it has said where it listens.
    const child = await folder.start({ nodeArgs: ['--import', KILLER], env: { DIE_AT: point } }).catch(() => null)
    if (child !== null && child.process.exitCode === null && child.process.signalCode === null) {
      await once(child.process, 'exit')
    }
  }
  await sync.onSource(`UPDATE products SET name = 'later'`)
  await folder.start()
  await sync.caughtUp()

  const parked = 'SELECT key, reason IS NOT NULL AS refused FROM ficus.parked ORDER BY id'
  expect(await sync.onTarget(parked)).toEqual([
    { key: { id: '7' }, refused: true },
    { key: { id: '7' }, refused: false },
  ])
  const rows = `SELECT title, count(*)::int AS rows FROM items GROUP BY 1 ORDER BY 1`
  expect(await sync.onTarget(rows)).toEqual([
    { title: 'later', rows: 99 },
    { title: 'product 7', rows: 1 },
  ])
  await harness.reports({ state: 'streaming', parked: 2 })
})
