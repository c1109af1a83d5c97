import { vi } from 'vitest'
import type { SyncHarness } from './sync-harness.ts'

/** A row of the target at which a first copy waits, for as long as a test wants. */
export interface CopyGate {
  /** Whoever copies this row from now on waits before it. */
  close(row: number): Promise<void>
  /** Lets go on whoever waits there, be it a session whose process is gone. */
  open(row: number): Promise<void>
  /** Resolves once a copy waits at a closed row. */
  reached(row: number): Promise<void>
}

const TIMEOUT_MS = 90_000

/**
 * Makes rows of a target table wait for locks that the test holds: a copy stops at a known row, however fast the
 * machine is. The trigger fires for sync too.
 *
 * @param key the table's key column, an integer.
 * @param rows the keys at which a copy can be held.
 */
export async function createCopyGate(
  sync: SyncHarness,
  table: string,
  key: string,
  rows: readonly number[],
): Promise<CopyGate> {
  await sync.onTarget(`
    CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_advisory_lock_shared(NEW.${key});
      PERFORM pg_advisory_unlock_shared(NEW.${key});
      RETURN NEW;
    END $$;
    CREATE TRIGGER gate BEFORE INSERT ON ${table} FOR EACH ROW WHEN (NEW.${key} IN (${rows.join(', ')}))
      EXECUTE FUNCTION wait_at_gate();
    ALTER TABLE ${table} ENABLE ALWAYS TRIGGER gate;
  `)
  return {
    close: async row => void (await sync.onTarget('SELECT pg_advisory_lock($1)', [row])),
    open: async row => void (await sync.onTarget('SELECT pg_advisory_unlock($1)', [row])),
    reached: async row => {
      await vi.waitUntil(async () => (await sync.onTarget(WAITING, [row])).length > 0, {
        timeout: TIMEOUT_MS,
        interval: 20,
      })
    },
  }
}

const WAITING = `
  SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
  WHERE datname = current_database() AND locktype = 'advisory' AND classid = 0 AND objid = $1 AND objsubid = 1 AND NOT granted`
