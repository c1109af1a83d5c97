import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

const ORDERS = 20_000
const SOURCE = `
  CREATE TABLE orders (id bigint PRIMARY KEY, note text);
  CREATE TABLE order_lines (order_id bigint, line_no int, n int, PRIMARY KEY (order_id, line_no));
  INSERT INTO orders SELECT n, 'order' FROM generate_series(1, ${ORDERS}) n;
  INSERT INTO order_lines SELECT n, 1, 1 FROM generate_series(1, ${ORDERS}) n;
`
const TARGET = 'CREATE TABLE documents (order_no bigint PRIMARY KEY, note text, lines jsonb)'
const SYNC = {
  tables: [
    {
      source: 'orders',
      target: 'documents',
      key: { id: 'order_no' },
      reads: { order_lines: { order_id: 'id' } },
      forward: { note: 'note', lines: '(SELECT jsonb_agg(l.n) FROM order_lines l WHERE l.order_id = orders.id)' },
    },
  ],
}

it('looks few keys up in mirrors, and joins with them for many', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  await sync.streaming()
  await sync.onTarget('VACUUM ANALYZE')
  let updated = 0
  const fewChanges = async () => {
    for (let n = 1; n <= 5; n++) {
      await sync.onSource('UPDATE order_lines SET n = n + 1 WHERE order_id = $1', [n])
      await sync.onSource(`UPDATE orders SET note = note || '!' WHERE id = $1`, [n + 100])
      await sync.caughtUp()
    }
    updated += 10
    return counted(sync, updated)
  }
  // What went before is counted by then.
  const before = await fewChanges()
  const few = await fewChanges()
  expect(few.rowsScanned).toBe(before.rowsScanned)

  await sync.onSource('UPDATE order_lines SET n = n + 1')
  updated += ORDERS
  const many = await counted(sync, updated)
  expect(many.targetLookups - few.targetLookups).toBeLessThan(ORDERS / 2)

  // And few again.
  expect((await fewChanges()).rowsScanned).toBe(many.rowsScanned)
}, 60_000)

/** What the server counted once it has counted `updated` rows of the target, which come with the rest of their transaction. */
async function counted(sync: SyncHarness, updated: number): Promise<{ rowsScanned: number; targetLookups: number }> {
  return vi.waitFor(
    async () => {
      const [row] = await sync.onTarget(`
        SELECT sum(seq_tup_read) AS scanned, sum(n_tup_upd) FILTER (WHERE relname = 'documents') AS updated,
          sum(idx_scan) FILTER (WHERE relname = 'documents') AS lookups
        FROM pg_stat_user_tables WHERE schemaname = 'ficus_mirror' OR relname = 'documents'`)
      expect(Number(row?.updated)).toBe(updated)
      return { rowsScanned: Number(row?.scanned), targetLookups: Number(row?.lookups) }
    },
    { timeout: 40_000, interval: 50 },
  )
}
