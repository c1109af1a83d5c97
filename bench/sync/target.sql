-- The service's shape of the same rows: other names, money in minor units, codes in lower case, and where they came from.
CREATE TABLE items (
  item_id bigint PRIMARY KEY,
  code text NOT NULL,
  title text NOT NULL,
  title_de text,
  title_fr text,
  taxon_id int NOT NULL,
  price_minor bigint NOT NULL,
  currency text NOT NULL,
  in_stock int NOT NULL,
  sellable boolean NOT NULL,
  origin text NOT NULL,
  added_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL
);

-- Another shape: translations in one document.
CREATE TABLE gathered_items (
  item_id bigint PRIMARY KEY,
  code text NOT NULL,
  titles jsonb NOT NULL,
  taxon_id int NOT NULL,
  price_minor bigint NOT NULL,
  currency text NOT NULL,
  in_stock int NOT NULL,
  sellable boolean NOT NULL,
  added_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL
);
