CREATE SEQUENCE versions;

CREATE TABLE products (
  id int PRIMARY KEY,
  name varchar(30) NOT NULL,
  version bigint NOT NULL DEFAULT nextval('versions'),
  body text
);

CREATE TABLE stock (
  product_id int,
  place text,
  amount int NOT NULL,
  version bigint NOT NULL DEFAULT nextval('versions'),
  PRIMARY KEY (product_id, place)
);

-- Bodies of some products are stored out of line, so that updates of other columns do not send them.
ALTER TABLE products ALTER body SET STORAGE EXTERNAL;

INSERT INTO products (id, name, body)
SELECT n, 'product ' || n, CASE WHEN n % 50 = 0 THEN repeat('out of line ', 300) ELSE 'short' END
FROM generate_series(1, 20000) AS n;

INSERT INTO stock (product_id, place, amount) SELECT n, 'Köln', n % 90 FROM generate_series(1, 20000) AS n;

-- Ids of products that came later, or were given another key.
CREATE SEQUENCE ids START 100000;

-- Mapped by a function.
CREATE TABLE labels (
  id int PRIMARY KEY,
  label text NOT NULL,
  rank int NOT NULL,
  version bigint NOT NULL DEFAULT nextval('versions')
);

INSERT INTO labels (id, label, rank)
SELECT n, CASE WHEN n % 10 = 0 THEN 'hidden ' ELSE 'label ' END || n, n % 7 FROM generate_series(1, 5000) AS n;

-- Added to the sync while it runs.
CREATE TABLE reviews (
  id int PRIMARY KEY,
  stars int NOT NULL,
  score numeric(8,2) DEFAULT 0.25,
  body text,
  version bigint NOT NULL DEFAULT nextval('versions')
);

INSERT INTO reviews (id, stars, body) SELECT n, n % 5, 'review ' || n FROM generate_series(1, 6000) AS n;

-- Truncated; and a column comes and goes that no mapping names.
CREATE TABLE drafts (id int PRIMARY KEY, line text, version bigint NOT NULL DEFAULT nextval('versions'));

INSERT INTO drafts (id, line) SELECT n, 'draft ' || n FROM generate_series(1, 500) AS n;

-- Bundles go with their parts into one row; those in the attic do not.
CREATE TABLE bundles (id int PRIMARY KEY, shelf text NOT NULL, version bigint NOT NULL DEFAULT nextval('versions'));

CREATE TABLE parts (id int PRIMARY KEY, bundle_id int NOT NULL, quantity int NOT NULL);
CREATE INDEX parts_by_bundle ON parts (bundle_id);

INSERT INTO bundles (id, shelf) SELECT n, CASE WHEN n % 5 = 0 THEN 'attic' ELSE 'shelf ' || n % 7 END FROM generate_series(1, 2000) AS n;

INSERT INTO parts (id, bundle_id, quantity) SELECT n, 1 + n % 2100, n % 11 FROM generate_series(1, 5000) AS n;
