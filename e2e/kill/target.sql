CREATE TABLE items (item_id int PRIMARY KEY, title text NOT NULL, version bigint NOT NULL, body text);

CREATE TABLE levels (
  item_id int,
  place text,
  pieces int NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (item_id, place)
);

-- A row of the source's stock becomes none to three of these.
CREATE TABLE pallets (
  item_id int,
  place text,
  number int,
  version bigint NOT NULL,
  PRIMARY KEY (item_id, place, number)
);

CREATE INDEX levels_by_place ON levels (place, pieces);

CREATE TABLE tags (tag_id int PRIMARY KEY, shout text NOT NULL, stars text NOT NULL, version bigint NOT NULL UNIQUE);

CREATE TABLE opinions (review_id bigint PRIMARY KEY, points int NOT NULL, score numeric, body text, version bigint NOT NULL);

CREATE TABLE papers (paper_id int PRIMARY KEY, line text, version bigint NOT NULL);

-- Products of some versions only, under a key that is computed.
CREATE TABLE offers (code text PRIMARY KEY, title text NOT NULL, version bigint NOT NULL);

-- A bundle and its parts.
CREATE TABLE kits (code text PRIMARY KEY, shelf text NOT NULL, pieces int NOT NULL, parts text, version bigint NOT NULL);

CREATE TABLE writes (table_name text, operation text, version bigint);

-- Where one row becomes several, these are moved with the version that they had, then written. What is written once more is the same row.
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  operation text := TG_OP;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.version = OLD.version AND NEW IS DISTINCT FROM OLD THEN operation := 'MOVE'; END IF;
  INSERT INTO writes VALUES (TG_TABLE_NAME, operation, CASE TG_OP WHEN 'DELETE' THEN OLD.version ELSE NEW.version END);
  RETURN NULL;
END $$;
