import type { SyncInput } from '../mapping/define-sync.ts'

/** A target that can note what is written to it, and how often, once `NOTE_TRIGGER` is there. */
export const NOTED_TARGET = `
  CREATE TABLE items (item_id int PRIMARY KEY, title text, version int, body text);
  CREATE TABLE writes (operation text, item_id int, version int);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'DELETE' THEN INSERT INTO writes VALUES (TG_OP, OLD.item_id, OLD.version);
    ELSE INSERT INTO writes VALUES (TG_OP, NEW.item_id, NEW.version); END IF;
    RETURN NULL;
  END $$;
`

/** Fires for whoever writes, sync included. */
export const NOTE_TRIGGER = `
  CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION note();
  ALTER TABLE items ENABLE ALWAYS TRIGGER note;
`

export const NOTED_SYNC: SyncInput = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: { title: 'name', version: 'version', body: 'body' },
    },
  ],
}

/** The source's table, with some rows. */
export function notedSource(rows: number): string {
  return `
    CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, version int NOT NULL DEFAULT 1, body text);
    INSERT INTO products SELECT n, 'product ' || n, 1, repeat('x', 200) FROM generate_series(1, ${rows}) n;
  `
}
