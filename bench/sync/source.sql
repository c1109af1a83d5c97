-- The legacy side of the benchmark: one table, and what writes the workloads without a client in between.

CREATE TABLE products (
  id bigint PRIMARY KEY,
  sku text NOT NULL,
  name_en text NOT NULL,
  name_de text,
  name_fr text,
  category_id int NOT NULL,
  price numeric(12, 2) NOT NULL,
  currency text NOT NULL,
  stock int NOT NULL,
  active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

-- A product's stock is 0 until somebody counts: the bulk update does.
CREATE FUNCTION add_products(first bigint, last bigint) RETURNS void LANGUAGE sql AS $$
  INSERT INTO products
  SELECT n, 'SKU-' || n, 'Solid walnut table ' || n, 'Massiver Nussbaumtisch ' || n,
         CASE WHEN n % 3 = 0 THEN 'Table en noyer massif ' || n END,
         n % 100, (n % 100000) / 100.0, 'EUR', 0, n % 10 <> 0, clock_timestamp(), clock_timestamp()
  FROM generate_series(first, last) AS n;
$$;

-- Adds rows in transactions of `per_transaction` each; `per_second` of them, or as fast as it goes where that is null.
CREATE PROCEDURE write_products(first bigint, count int, per_transaction int, per_second float8 DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
  started timestamptz := clock_timestamp();
  written int := 0;
  early float8;
BEGIN
  WHILE written < count LOOP
    IF per_second IS NOT NULL THEN
      early := written / per_transaction / per_second - extract(epoch FROM clock_timestamp() - started);
      IF early > 0 THEN
        PERFORM pg_sleep(early);
      END IF;
    END IF;
    PERFORM add_products(first + written, first + least(written + per_transaction, count) - 1);
    COMMIT;
    written := written + per_transaction;
  END LOOP;
END $$;
