-- What sync keeps beside the rows that it writes, in the target database. Idempotent: it runs at every start.

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
