import { expect } from 'vitest'
import type { SyncInput } from '../mapping/define-sync.ts'
import type { SyncHarness } from './sync-harness.ts'

/** Tables of which the target's rows are put together: orders with their lines and a looked up name, and a tree. */
export const DOCUMENTS_SOURCE = `
  CREATE TYPE state AS ENUM ('draft', 'open');
  CREATE TABLE currencies (code char(3) PRIMARY KEY, name text NOT NULL);
  CREATE TABLE orders (region int, id int, state state NOT NULL, currency char(3), body text, PRIMARY KEY (region, id));
  CREATE TABLE order_lines (region int, id int, line int, sku text, price numeric, body text, note text, PRIMARY KEY (region, id, line));
  ALTER TABLE orders ALTER COLUMN body SET STORAGE EXTERNAL;
  ALTER TABLE order_lines ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE groups (id int PRIMARY KEY, parent int, name text);
  INSERT INTO groups VALUES (1, NULL, 'one'), (2, 1, 'two'), (3, 1, 'three'), (4, 3, 'four');
`
export const DOCUMENTS_TARGET = `
  CREATE TABLE documents (
    region int, id bigint, state text NOT NULL, currency text, body text, lines jsonb NOT NULL, total numeric(12,2) NOT NULL,
    seen int NOT NULL DEFAULT 0, PRIMARY KEY (region, id)
  );
  CREATE TABLE prices (region int, id int, line int, price numeric, PRIMARY KEY (region, id, line));
  CREATE TABLE groups (id int PRIMARY KEY, path text NOT NULL, children int NOT NULL);
`

const LINES = 'FROM order_lines l WHERE l.region = orders.region AND l.id = orders.id'
const DOCUMENT = {
  state: 'state::text',
  currency: '(SELECT name FROM currencies c WHERE c.code = orders.currency)',
  body: 'body',
  lines: `coalesce((SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'price', l.price, 'body', l.body) ORDER BY l.line) ${LINES}), '[]')`,
  total: `coalesce((SELECT sum(l.price) ${LINES}), 0)`,
}
const GROUP = {
  path: `coalesce((SELECT p.name FROM groups p WHERE p.id = groups.parent) || '/', '') || name`,
  children: '(SELECT count(*) FROM groups child WHERE child.parent = groups.id)::int',
}

export const DOCUMENTS_SYNC: SyncInput = {
  tables: [
    {
      source: 'orders',
      target: 'documents',
      key: { region: 'region', id: 'id' },
      where: `state <> 'draft'`,
      reads: {
        'public.order_lines': { region: 'region', id: 'id' },
        'public.currencies': { code: 'currency' },
      },
      forward: DOCUMENT,
    },
    // The same source table as ordinary rows too.
    {
      source: 'order_lines',
      target: 'prices',
      key: { region: 'region', id: 'id', line: 'line' },
      forward: { price: 'price' },
    },
    {
      source: 'groups',
      target: 'groups',
      key: { id: 'id' },
      reads: { 'public.groups': [{ id: 'parent' }, { parent: 'id' }] },
      forward: GROUP,
    },
  ],
}

/** What the target must hold, as the source computes it. */
const MAPPED = {
  documents: `SELECT region, id::text, ${select(DOCUMENT)} FROM orders WHERE state <> 'draft' ORDER BY region, orders.id`,
  prices: 'SELECT * FROM (SELECT region, id, line, price::text FROM order_lines) p ORDER BY 1, 2, 3',
  groups: `SELECT id, ${select(GROUP)} FROM groups ORDER BY id`,
}
const ACTUAL = {
  documents:
    'SELECT region, id::text, state, currency, body, lines, total FROM documents ORDER BY region, documents.id',
  prices: 'SELECT region, id, line, price::text FROM prices ORDER BY 1, 2, 3',
  groups: 'SELECT id, path, children FROM groups ORDER BY id',
}

function select(columns: Readonly<Record<string, string>>): string {
  const types: Readonly<Record<string, string>> = { total: 'numeric(12,2)' }
  return Object.entries(columns)
    .map(([name, sql]) => `(${sql})${types[name] === undefined ? '' : `::${types[name]}`} AS ${name}`)
    .join(', ')
}

/** Waits until the target has caught up, and compares it with what the source computes. */
export async function expectDocuments(sync: SyncHarness): Promise<void> {
  await sync.caughtUp()
  for (const table of ['documents', 'prices', 'groups'] as const) {
    expect(await sync.onTarget(ACTUAL[table]), table).toEqual(await sync.onSource(MAPPED[table]))
  }
}
