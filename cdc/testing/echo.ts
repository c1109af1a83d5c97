import { MARK } from '../change-source/marks.ts'
import { PostgresSource } from '../change-source/postgres/postgres-source.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { type Direction, opposite } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { beginWithoutCopy } from '../pipeline/begin-without-copy.ts'
import { Pipeline } from '../pipeline/pipeline.ts'

/** Writes on both sides in turn, with both directions' slots alive, and counts whatever comes back. */
export interface EchoOptions {
  readonly monolith: Endpoint
  readonly service: Endpoint
  /** Rows that each side writes, in all its turns. */
  readonly rows: number
  /** Turns of each side: so often ownership changes hands, there and back. */
  readonly turns: number
  readonly rowsPerTransaction: number
  readonly onTurn?: (turn: string) => void
}

/** What was counted, on one side. */
export interface EchoCount {
  /** Changes that this side's own writers made; a TRUNCATE is one. */
  readonly written: number
  /** Changes that sync applied here, by its own count: those of the other side, if none came back. */
  readonly applied: number
  /** Row writes that triggers saw here, which fire for everybody: the own ones, and sync's. */
  readonly seen: number
  /** Row changes in this side's log, as an independent slot decodes it: the same again. */
  readonly logged: number
  /** Of those, the ones that are marked as sync's, by a replication origin or a message. */
  readonly loggedOfSync: number
}

export interface EchoReport {
  readonly monolith: EchoCount
  readonly service: EchoCount
  /** Both sides hold the same rows. */
  readonly equal: boolean
}

const CAPABILITY = 'echo'
const LEDGER = '10000000-0000-4000-8000-00000000ec40'
const TIMEOUT_MS = 600_000

const SYNC: SyncInput = {
  tables: [
    {
      source: 'things',
      target: 'objects',
      key: { id: 'object_id' },
      forward: { label: 'name', cents: '(price * 100)::bigint' },
      reverse: { name: 'label', price: '(cents / 100.0)::numeric(12, 2)' },
    },
  ],
}

/** Counts what every statement wrote, whoever wrote it: ENABLE ALWAYS. */
const COUNTING = (table: string) => `
  CREATE TABLE seen (rows bigint NOT NULL);
  CREATE FUNCTION note_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen SELECT count(*) FROM touched HAVING count(*) > 0; RETURN NULL;
  END $$;
  CREATE TRIGGER note_inserts AFTER INSERT ON ${table} REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION note_rows();
  CREATE TRIGGER note_updates AFTER UPDATE ON ${table} REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION note_rows();
  CREATE TRIGGER note_deletes AFTER DELETE ON ${table} REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION note_rows();
  CREATE FUNCTION note_truncation() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (1); RETURN NULL; END $$;
  CREATE TRIGGER note_truncation AFTER TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION note_truncation();
  ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note_truncation;
  ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note_inserts;
  ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note_updates;
  ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note_deletes`

/** One side as the run sees it. */
interface Side {
  readonly endpoint: Endpoint
  readonly table: string
  readonly create: string
  /** The direction that carries this side's rows to the other. */
  readonly carries: Direction
  /** Statements that write `rows` rows from key `from` on, and how many rows they change in all. */
  write(from: number, rows: number): { readonly sql: string; readonly changes: number }
}

/** Of ten inserted rows one is updated, one updated to what it is, one gets another key, and one is deleted. */
function changesOf(rows: number): number {
  return rows + 4 * Math.floor(rows / 10)
}

function sides({ monolith, service }: EchoOptions): Record<'monolith' | 'service', Side> {
  const write = (table: string, key: string, value: string) => (from: number, rows: number) => {
    const tenth = Math.floor(rows / 10)
    const until = from + rows
    return {
      sql: `INSERT INTO ${table} SELECT n, 'row ' || n, n % 1000 FROM generate_series(${from}, ${until - 1}) n;
            UPDATE ${table} SET ${value} = ${value} + 1 WHERE ${key} >= ${from} AND ${key} < ${from + tenth};
            UPDATE ${table} SET ${key} = -${key} WHERE ${key} >= ${from + tenth} AND ${key} < ${from + 2 * tenth};
            DELETE FROM ${table} WHERE ${key} >= ${from + 2 * tenth} AND ${key} < ${from + 3 * tenth};
            UPDATE ${table} SET ${value} = ${value} WHERE ${key} >= ${from + 3 * tenth} AND ${key} < ${from + 4 * tenth}`,
      changes: changesOf(rows),
    }
  }
  return {
    monolith: {
      endpoint: monolith,
      table: 'things',
      create: 'CREATE TABLE things (id bigint PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL)',
      carries: 'forward',
      write: write('things', 'id', 'price'),
    },
    service: {
      endpoint: service,
      table: 'objects',
      create: 'CREATE TABLE objects (object_id bigint PRIMARY KEY, label text NOT NULL, cents bigint NOT NULL)',
      carries: 'reverse',
      write: write('objects', 'object_id', 'cents'),
    },
  }
}

/** @throws where a pipeline fails or does not catch up. */
export async function runEcho(options: EchoOptions): Promise<EchoReport> {
  const run = new EchoRun(options)
  try {
    return await run.run()
  } finally {
    await run.end()
  }
}

class EchoRun {
  readonly #options: EchoOptions
  readonly #sides: ReturnType<typeof sides>
  readonly #written = { monolith: 0, service: 0 }
  #pipeline: Pipeline | undefined
  #nextKey = 1_000

  constructor(options: EchoOptions) {
    this.#options = options
    this.#sides = sides(options)
  }

  async run(): Promise<EchoReport> {
    const { turns, rows, onTurn } = this.#options
    for (const { endpoint, create, table } of Object.values(this.#sides)) {
      await withSession(endpoint, async client => {
        await client.query(`${create}; ${COUNTING(table)}; CREATE PUBLICATION echo_watch FOR TABLE ${table}`)
        await client.query(WATCH_SLOT)
      })
    }
    await this.#carry('forward')
    await this.#caughtUp('forward')
    await beginWithoutCopy({ ...this.#key('reverse'), sync: parseSync(SYNC) })
    for (let turn = 1; turn <= turns; turn++) {
      for (const side of ['monolith', 'service'] as const) {
        await this.#carry(this.#sides[side].carries)
        if (turn === turns) await this.#truncate(side)
        await this.#write(side, Math.floor(rows / turns))
        await this.#caughtUp(this.#sides[side].carries)
        onTurn?.(`turn ${turn}: the ${side} wrote ${this.#written[side].toLocaleString('en')} changes so far`)
      }
    }
    // Ownership goes back once more, and what the other side wrote last is read by the direction that must leave it out.
    await this.#carry('forward')
    await this.#caughtUp('forward')
    await this.#pipeline?.stop()
    return {
      monolith: await this.#count('monolith'),
      service: await this.#count('service'),
      equal: await this.#equal(),
    }
  }

  async end(): Promise<void> {
    await this.#pipeline?.stop()
    for (const { endpoint } of Object.values(this.#sides)) {
      await withSession(endpoint, client =>
        client.query(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active`,
        ),
      ).catch(() => {})
    }
  }

  #key(direction: Direction) {
    const { monolith, service } = this.#options
    const [source, target] = direction === 'forward' ? [monolith, service] : [service, monolith]
    return { capability: CAPABILITY, ledger: LEDGER, direction, source, target }
  }

  /** Stops the direction that was carried and carries the other one; both slots stay. */
  async #carry(direction: Direction): Promise<void> {
    await this.#pipeline?.stop()
    this.#pipeline = new Pipeline({
      ...this.#key(direction),
      sync: parseSync(SYNC),
      engine: options => new PostgresSource(options),
      batchRows: 20_000,
      copyWorkers: 1,
      heartbeatMs: 100,
    })
    await this.#pipeline.start()
  }

  async #caughtUp(direction: Direction): Promise<void> {
    const deadline = Date.now() + TIMEOUT_MS
    for (;;) {
      const status = this.#pipeline?.status()
      if (status?.state === 'failed') throw new Error(`the ${direction} sync failed: ${status.error?.message}`)
      try {
        await waitUntilCaughtUp({ ...this.#key(direction), timeoutMs: 5_000 })
        return
      } catch (error) {
        if (Date.now() > deadline) throw error
      }
    }
  }

  async #write(name: 'monolith' | 'service', rows: number): Promise<void> {
    const side = this.#sides[name]
    await withSession(side.endpoint, async client => {
      for (let done = 0; done < rows; done += this.#options.rowsPerTransaction) {
        const count = Math.min(this.#options.rowsPerTransaction, rows - done)
        const { sql, changes } = side.write(this.#nextKey, count)
        await client.query(`BEGIN; ${sql}; COMMIT`)
        this.#nextKey += count
        this.#written[name] += changes
      }
    })
  }

  async #truncate(name: 'monolith' | 'service'): Promise<void> {
    const { endpoint, table } = this.#sides[name]
    await withSession(endpoint, client => client.query(`TRUNCATE ${table}`))
    this.#written[name] += 1
  }

  async #count(name: 'monolith' | 'service'): Promise<EchoCount> {
    const { endpoint, carries } = this.#sides[name]
    return withSession(endpoint, async client => {
      const { rows } = await client.query<Record<'applied' | 'seen' | 'logged' | 'of_sync', string>>(
        `SELECT (SELECT applied_rows FROM ficus.progress WHERE capability = $1 AND direction = $2) AS applied,
                (SELECT coalesce(sum(rows), 0) FROM seen) AS seen, logged, of_sync FROM (${DECODED_ROWS}) AS decoded`,
        [CAPABILITY, opposite(carries)],
      )
      const [row] = rows
      return {
        written: this.#written[name],
        applied: Number(row?.applied),
        seen: Number(row?.seen),
        logged: Number(row?.logged),
        loggedOfSync: Number(row?.of_sync),
      }
    })
  }

  async #equal(): Promise<boolean> {
    const digest = (endpoint: Endpoint, columns: string, from: string) =>
      withSession(endpoint, async client => {
        const sql = `SELECT count(*)::text || md5(string_agg(md5(ROW(${columns})::text), '' ORDER BY id)) AS digest FROM (${from}) AS r`
        return (await client.query<{ digest: string }>(sql)).rows[0]?.digest
      })
    const { monolith, service } = this.#options
    const there = await digest(
      monolith,
      'id, name, cents',
      'SELECT id, name, (price * 100)::bigint AS cents FROM things',
    )
    const here = await digest(service, 'id, name, cents', 'SELECT object_id AS id, label AS name, cents FROM objects')
    return there !== undefined && there === here
  }
}

/** A slot of the run's own, which nobody else reads. It is made in a transaction of its own, as slots must be. */
const WATCH = `'echo_watch_' || (SELECT oid FROM pg_database WHERE datname = current_database())`
const WATCH_SLOT = `SELECT pg_create_logical_replication_slot(${WATCH}, 'pgoutput')`

/**
 * Rows of pgoutput's stream (I, U, D, T), and those within a transaction that is marked as sync's: an origin (O) follows its
 * begin, or it has a message (M) of ours, as those of a second session have.
 */
const DECODED_ROWS = `
  SELECT count(*) FILTER (WHERE tag IN ('I', 'U', 'D', 'T')) AS logged,
         count(*) FILTER (WHERE tag IN ('I', 'U', 'D', 'T') AND of_sync) AS of_sync
  FROM (
    SELECT tag, bool_or(tag IN ('O', 'M')) OVER (PARTITION BY xid) AS of_sync
    FROM (
      SELECT xid::text AS xid, chr(get_byte(data, 0)) AS tag
      FROM pg_logical_slot_peek_binary_changes(
        ${WATCH}, NULL, NULL,
        'proto_version', '1', 'publication_names', 'echo_watch', 'messages', 'true')
      WHERE get_byte(data, 0) <> ascii('M') OR position('${MARK.ORIGIN}'::bytea IN data) > 0
    ) AS messages WHERE tag IN ('I', 'U', 'D', 'T', 'O', 'M')
  ) AS marked`
