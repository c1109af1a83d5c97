-- The database of a service that takes over Northwind's assortment: three of its tables in another shape.
CREATE SCHEMA assortment;

CREATE TABLE assortment.article_group (
  group_no integer PRIMARY KEY,
  label text NOT NULL UNIQUE,
  about text,
  image bytea
);

CREATE TABLE assortment.vendor (
  vendor_no integer PRIMARY KEY,
  company text NOT NULL,
  contact jsonb NOT NULL,
  address jsonb NOT NULL,
  homepage text
);

CREATE TABLE assortment.article (
  article_no integer PRIMARY KEY,
  label text NOT NULL,
  vendor_no integer REFERENCES assortment.vendor,
  group_no integer REFERENCES assortment.article_group,
  pack text,
  -- Minor units, since a float is no price.
  unit_price_minor bigint,
  listed boolean NOT NULL,
  -- Only the service has these; no update from the other side touches them.
  rating numeric(2, 1),
  noted_at timestamptz NOT NULL DEFAULT now()
);

-- Split from the article: stock changes often, the rest seldom.
CREATE TABLE assortment.article_stock (
  article_no integer PRIMARY KEY,
  on_hand integer,
  on_order integer,
  reorder_at integer
);
