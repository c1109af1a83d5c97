-- The ledger: what all processes of a migration agree on. Written once, read by LISTEN/NOTIFY and a slow poll.
-- Idempotent: it runs at every start, under an advisory lock.

CREATE SCHEMA IF NOT EXISTS ficus;

-- What tells this ledger from every other. Made once; sync keeps it beside whatever it makes elsewhere, so that another
-- ledger (an empty one, or that of another migration) has no say over it.
CREATE TABLE IF NOT EXISTS ficus.ledger (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO ficus.ledger DEFAULT VALUES ON CONFLICT DO NOTHING;

-- One row a capability: what is allowed now.
CREATE TABLE IF NOT EXISTS ficus.capability (
  name text PRIMARY KEY,
  phase text NOT NULL DEFAULT 'legacy'
    CHECK (phase IN ('legacy', 'syncing', 'shadowing', 'canary', 'extracted', 'retired')),
  owner text NOT NULL DEFAULT 'monolith' CHECK (owner IN ('monolith', 'service')),
  -- Grows with every move, so that whoever acted on an older state can tell.
  epoch bigint NOT NULL DEFAULT 0,
  phase_since timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One operator at a time.
CREATE TABLE IF NOT EXISTS ficus.lease (
  capability text PRIMARY KEY REFERENCES ficus.capability (name),
  holder text NOT NULL,
  expires_at timestamptz NOT NULL
);

-- Who did what, when, on what evidence. Append-only.
CREATE TABLE IF NOT EXISTS ficus.journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  capability text NOT NULL REFERENCES ficus.capability (name),
  actor text NOT NULL,
  action text NOT NULL,
  from_phase text,
  to_phase text,
  epoch bigint NOT NULL,
  reason text,
  evidence jsonb NOT NULL DEFAULT '{}'
);

CREATE OR REPLACE FUNCTION ficus.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER journal_is_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON ficus.journal
  FOR EACH STATEMENT EXECUTE FUNCTION ficus.refuse_change();

-- What a gate found, and for which versions.
CREATE TABLE IF NOT EXISTS ficus.gate_result (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  capability text NOT NULL REFERENCES ficus.capability (name),
  gate text NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
  summary text NOT NULL,
  evidence jsonb NOT NULL DEFAULT '{}',
  versions jsonb NOT NULL DEFAULT '{}',
  measured_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS gate_result_latest ON ficus.gate_result (capability, gate, id DESC);

-- What the sync process says of itself, about once a second.
CREATE TABLE IF NOT EXISTS ficus.sync_status (
  capability text PRIMARY KEY REFERENCES ficus.capability (name),
  worker text NOT NULL,
  status jsonb NOT NULL,
  reported_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Requests by minute, from every edge. For people to look at: no gate reads it, so it tells no epochs apart.
CREATE TABLE IF NOT EXISTS ficus.traffic (
  capability text NOT NULL REFERENCES ficus.capability (name),
  edge text NOT NULL,
  minute timestamptz NOT NULL,
  side text NOT NULL CHECK (side IN ('monolith', 'service')),
  requests bigint NOT NULL,
  -- Answers of 500 and above, and those that never came.
  errors bigint NOT NULL,
  PRIMARY KEY (capability, minute, edge, side)
);

-- Shadow comparisons by epoch, minute and route, from every edge. The minute is the one in which the request was mirrored.
CREATE TABLE IF NOT EXISTS ficus.shadow (
  capability text NOT NULL REFERENCES ficus.capability (name),
  -- The capability's, as it stood when the edge decided to mirror the request: a minute may hold several.
  epoch bigint NOT NULL,
  edge text NOT NULL,
  minute timestamptz NOT NULL,
  route text NOT NULL,
  matched bigint NOT NULL,
  mismatched bigint NOT NULL,
  -- Not compared: shed, too large, an event stream, and so on; kept apart from mismatched.
  ignored bigint NOT NULL,
  -- The latest mismatch: where the answers differ, for a person.
  example jsonb,
  PRIMARY KEY (capability, epoch, minute, edge, route)
);

-- An older ledger counted without the epoch: what it holds is evidence for no phase.
ALTER TABLE ficus.shadow ADD COLUMN IF NOT EXISTS epoch bigint NOT NULL DEFAULT -1;
ALTER TABLE ficus.shadow ALTER COLUMN epoch DROP DEFAULT;
ALTER TABLE ficus.shadow DROP CONSTRAINT IF EXISTS shadow_pkey;
ALTER TABLE ficus.shadow ADD CONSTRAINT shadow_pkey PRIMARY KEY (capability, epoch, minute, edge, route);

-- Which edges live and what they last acted on.
CREATE TABLE IF NOT EXISTS ficus.edge (
  id text PRIMARY KEY,
  epochs jsonb NOT NULL,
  flags jsonb NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION ficus.tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('ficus', NEW.name);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER capability_tells
  AFTER INSERT OR UPDATE ON ficus.capability
  FOR EACH ROW EXECUTE FUNCTION ficus.tell_change();
