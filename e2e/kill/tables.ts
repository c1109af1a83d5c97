import { readFile } from 'node:fs/promises'
import type { SyncInput } from '@ficus/cdc/mapping/define-sync'

/** Both sides' tables. Every version of a row has a number that no other row ever has. */
export const readSchema = (side: 'source' | 'target'): Promise<string> =>
  readFile(new URL(`./${side}.sql`, import.meta.url), 'utf8')

/** Fires for whoever writes, sync included, and notes each write. */
export const NOTE_WRITES = `
  TRUNCATE writes;
  CREATE OR REPLACE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION note();
  CREATE OR REPLACE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON levels FOR EACH ROW EXECUTE FUNCTION note();
  ALTER TABLE items ENABLE ALWAYS TRIGGER note;
  ALTER TABLE levels ENABLE ALWAYS TRIGGER note;
`

/** What the trigger saw: in all, and more than once, which must never be. */
export const COUNT_WRITES = `
  SELECT coalesce(sum(times), 0)::int AS seen, count(*) FILTER (WHERE times > 1)::int AS twice
  FROM (SELECT count(*) AS times FROM writes GROUP BY table_name, operation, version) AS w`

export const SYNC: SyncInput = {
  tables: [
    {
      source: 'public.products',
      target: 'public.items',
      key: { id: 'item_id' },
      forward: { title: 'upper(name)', version: 'version', body: 'body' },
    },
    {
      source: 'public.stock',
      target: 'public.levels',
      key: { product_id: 'item_id', place: 'place' },
      forward: { pieces: 'amount * 12', version: 'version' },
    },
  ],
}

/** Rows and a digest of all of them, for either side: equal tables give equal answers. */
export const DIGESTS = {
  source: [
    digest('products', 'id', 'upper(name), version, body'),
    digest('stock', 'product_id, place', 'amount * 12, version'),
  ],
  target: [digest('items', 'item_id', 'title, version, body'), digest('levels', 'item_id, place', 'pieces, version')],
} as const

function digest(table: string, key: string, values: string): string {
  return `SELECT count(*)::int AS rows, md5(string_agg(md5(ROW(${key}, ${values})::text), '' ORDER BY ${key})) AS digest FROM ${table}`
}
