import { waitUntilCaughtUp } from '../lag/lag.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import type { Sync } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { beginWithoutCopy } from '../pipeline/begin-without-copy.ts'
import type { Pipeline } from '../pipeline/pipeline.ts'
import { CAPABILITY, LEDGER, reaches, type SyncHarness } from './sync-harness.ts'

/** A monolith with orders in two tables and products with an array, and a service that has it the other way round. */
export const BACK_SOURCE = `
  CREATE TABLE orders (id int PRIMARY KEY, currency text NOT NULL);
  CREATE TABLE order_lines (
    order_id int REFERENCES orders ON DELETE CASCADE, line_no int, sku text, count int NOT NULL, remark text DEFAULT 'of the monolith',
    PRIMARY KEY (order_id, line_no)
  );
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, tags text[] NOT NULL DEFAULT '{}');
`
export const BACK_TARGET = `
  CREATE TABLE documents (order_no int PRIMARY KEY, currency text NOT NULL, lines jsonb NOT NULL);
  ALTER TABLE documents ALTER COLUMN lines SET STORAGE EXTERNAL;
  CREATE TABLE items (item_id int PRIMARY KEY, title text NOT NULL);
  CREATE TABLE item_tags (item_id int, position int, name text, PRIMARY KEY (item_id, position));
`
/** Many to one and one to many, both ways. */
export const BACK_SYNC: SyncInput = {
  tables: [
    {
      source: 'orders',
      target: 'documents',
      key: { id: 'order_no' },
      reads: { order_lines: { order_id: 'id' } },
      forward: {
        currency: 'currency',
        lines: `coalesce((SELECT jsonb_agg(jsonb_build_object('no', l.line_no, 'sku', l.sku, 'count', l.count) ORDER BY l.line_no)
                 FROM order_lines l WHERE l.order_id = orders.id), '[]')`,
      },
      reverse: { currency: 'currency' },
    },
    { source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title: 'name' } },
    {
      source: 'products',
      target: 'item_tags',
      key: { id: 'item_id' },
      each: { rows: 'unnest(tags) WITH ORDINALITY AS tag(label, position)', key: { position: 'tag.position' } },
      forward: { name: 'tag.label' },
    },
  ],
  back: [
    {
      source: 'documents',
      target: 'order_lines',
      key: { order_no: 'order_id' },
      each: { rows: 'jsonb_to_recordset(lines) AS line(no int, sku text, count int)', key: { line_no: 'line.no' } },
      forward: { sku: 'line.sku', count: 'line.count' },
    },
    {
      source: 'items',
      target: 'products',
      key: { item_id: 'id' },
      reads: { item_tags: { item_id: 'item_id' } },
      forward: {
        name: 'title',
        tags: 'ARRAY(SELECT t.name FROM item_tags t WHERE t.item_id = items.item_id ORDER BY t.position)',
      },
    },
  ],
}

/** What the monolith must hold, as the service computes it. */
export const WAY_BACK = {
  orders: 'SELECT order_no AS id, currency FROM documents ORDER BY 1',
  order_lines: `SELECT order_no AS order_id, no AS line_no, sku, count
                FROM documents, jsonb_to_recordset(lines) AS l (no int, sku text, count int) ORDER BY 1, 2`,
  products: `SELECT item_id AS id, title AS name,
                    ARRAY(SELECT t.name FROM item_tags t WHERE t.item_id = items.item_id ORDER BY position) AS tags FROM items ORDER BY 1`,
} as const

/** What it holds. */
export const MONOLITH = {
  orders: 'SELECT id, currency FROM orders ORDER BY 1',
  order_lines: 'SELECT order_id, line_no, sku, count FROM order_lines ORDER BY 1, 2',
  products: 'SELECT id, name, tags FROM products ORDER BY 1',
} as const

/** The sync of the way back, which begins with the rows that the monolith has. */
export function backOf(sync: SyncHarness, mapping: Sync = parseSync(BACK_SYNC)) {
  return {
    source: sync.target,
    target: sync.source,
    capability: CAPABILITY,
    direction: 'reverse' as const,
    ledger: LEDGER,
    sync: mapping,
  }
}

/** Begins and starts it. */
export async function startBack(sync: SyncHarness, mapping?: Sync): Promise<Pipeline> {
  const options = backOf(sync, mapping)
  await beginWithoutCopy(options)
  const reverse = sync.pipeline(options)
  await reverse.start()
  await reaches(reverse, 'streaming')
  return reverse
}

/** Waits until the monolith holds what the service's writes so far come to. */
export async function backCaughtUp(sync: SyncHarness): Promise<void> {
  await waitUntilCaughtUp({ ...backOf(sync), timeoutMs: 40_000 })
}
