-- What a comparison has done, so that one that was broken off can go on. In the target database; idempotent.

CREATE TABLE IF NOT EXISTS ficus.diff_range (
  capability text NOT NULL,
  direction text NOT NULL,
  -- The mapped table, its mapping and the first copy that it belongs to, as a hash: another mapping is another comparison.
  flow text NOT NULL,
  number int NOT NULL,
  -- The target's key as texts: the rows above the one, up to and with the other. Null is no bound.
  above jsonb,
  up_to jsonb,
  -- Rows of the range where both sides were equal; null where that is not known yet, or they were not.
  equal_rows bigint,
  -- Where both sides stood in the source's log when they were found equal; null in recheck mode.
  position pg_lsn,
  compared_at timestamptz,
  PRIMARY KEY (capability, direction, flow, number)
);
