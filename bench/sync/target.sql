-- The service's shape of the same rows: other names, money in minor units, translations in one document.

CREATE TABLE items (
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
