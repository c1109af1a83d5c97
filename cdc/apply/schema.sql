-- What sync keeps beside the rows that it writes, in the target database. Idempotent: it runs whenever it has changed.

CREATE SCHEMA IF NOT EXISTS ficus;

-- One row a capability and direction: how far the target has come. It moves in the transaction that writes the rows.
CREATE TABLE IF NOT EXISTS ficus.progress (
  capability text NOT NULL,
  direction text NOT NULL CHECK (direction IN ('forward', 'reverse')),
  -- copying: the first copy is under way or was broken off; streaming: it is whole.
  state text NOT NULL CHECK (state IN ('copying', 'streaming')),
  -- Where in the source's history; null while copying.
  position jsonb,
  -- Grows with every first copy, so that a worker of an earlier one can tell.
  epoch bigint NOT NULL DEFAULT 1,
  -- The tables that the first copy fills, and so may empty: ["schema.table", ...].
  tables jsonb NOT NULL DEFAULT '[]',
  copied_rows bigint NOT NULL DEFAULT 0,
  applied_rows bigint NOT NULL DEFAULT 0,
  -- When the source committed the newest transaction applied, by the source's clock.
  source_commit timestamptz,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (capability, direction)
);

-- The id of the ledger that began this sync (core/ledger/schema.sql); no other may carry or drop it. Null: whichever
-- comes first takes it.
ALTER TABLE ficus.progress ADD COLUMN IF NOT EXISTS ledger uuid;
-- Tables that sync itself made in this database, and that go with it: ["ficus_mirror.products", ...].
ALTER TABLE ficus.progress ADD COLUMN IF NOT EXISTS made jsonb NOT NULL DEFAULT '[]';
-- ended: the slot is gone and nothing flows; the rows stay.
ALTER TABLE ficus.progress DROP CONSTRAINT IF EXISTS progress_state_check;
ALTER TABLE ficus.progress ADD CONSTRAINT progress_state_check CHECK (state IN ('copying', 'streaming', 'ended'));

-- Changes that the target refused, and those that came after them for the same key. They are written in the transaction
-- that moves the position past them, and kept as they came, so that they can be tried again byte for byte.
CREATE TABLE IF NOT EXISTS ficus.parked (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  capability text NOT NULL,
  direction text NOT NULL CHECK (direction IN ('forward', 'reverse')),
  -- The source's table, and those that the change goes to: "schema.table".
  source_table text NOT NULL,
  targets text[] NOT NULL,
  kind text NOT NULL CHECK (kind IN ('insert', 'update', 'delete')),
  -- Key column of the source -> its value as text.
  key jsonb NOT NULL,
  -- Every key that the change blocks, each as JSON text: more than one where it changes the key.
  blocks text[] NOT NULL,
  -- The change as Debezium would tell it; null where the target cannot even show it.
  event jsonb,
  -- The source table's shape at that time, and the row before and after (change-source/tuple.ts).
  relation jsonb NOT NULL,
  old_tuple bytea,
  new_tuple bytea,
  -- What the target said. Null where the change was not tried, because an earlier one of its key is parked.
  reason text,
  sqlstate text,
  -- Of the batch that it came in; null within a transaction that is larger than a batch.
  position jsonb,
  source_commit timestamptz,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- How often it was tried again by hand, and what the target said last.
  attempts int NOT NULL DEFAULT 0,
  last_error text
);
CREATE INDEX IF NOT EXISTS parked_of ON ficus.parked (capability, direction, id);

-- What became of parked changes. Append-only.
CREATE TABLE IF NOT EXISTS ficus.parked_closed (
  id bigint PRIMARY KEY,
  capability text NOT NULL,
  direction text NOT NULL,
  source_table text NOT NULL,
  kind text NOT NULL,
  key jsonb NOT NULL,
  event jsonb,
  refusal text,
  parked_at timestamptz NOT NULL,
  attempts int NOT NULL,
  -- applied: tried again, with success; discarded: by a person; superseded: the source's table was truncated;
  -- dropped: the whole sync was.
  outcome text NOT NULL CHECK (outcome IN ('applied', 'discarded', 'superseded', 'dropped')),
  closed_by text NOT NULL,
  reason text,
  closed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION ficus.refuse_reopening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ficus.parked_closed is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER parked_closed_is_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON ficus.parked_closed
  FOR EACH STATEMENT EXECUTE FUNCTION ficus.refuse_reopening();

-- Grows whenever changes are parked or taken out: each session that applies reads it with the row lock.
ALTER TABLE ficus.progress ADD COLUMN IF NOT EXISTS parked_version bigint NOT NULL DEFAULT 0;

-- What the target said, without a value of the row: for the ledger (docs/decisions/0009).
ALTER TABLE ficus.parked ADD COLUMN IF NOT EXISTS plain_reason text;

-- Where a comparison wants the applier to stand still for a moment, as long as it holds its lock (apply/pause.ts).
ALTER TABLE ficus.progress ADD COLUMN IF NOT EXISTS pause_at pg_lsn;

-- Indexes that the first copy took away and makes again once the rows are there (copy/deferred-indexes.ts). Whoever finds
-- some here, and is not in the middle of that copy, makes them again first.
ALTER TABLE ficus.progress ADD COLUMN IF NOT EXISTS dropped_indexes jsonb NOT NULL DEFAULT '[]';
