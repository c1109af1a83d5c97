import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** Somebody who writes to the source all the time, and begins anew when it dies. */
export interface Writer {
  /** Transactions that the source has acknowledged; how many of them truncated a table, and how many altered one. */
  readonly committed: number
  readonly truncated: number
  readonly altered: number
  /** @throws where the source refused a statement. */
  stop(): Promise<void>
}

const AWAY_MS = 50

interface Transaction {
  readonly weight: number
  readonly sql: string
  /** It gives a mapped column a wider type. */
  readonly widens?: true
}

/** Each as one transaction of several statements; `$id` is a product of the first ones, `$some` a number of rows. */
const TRANSACTIONS: readonly Transaction[] = [
  {
    weight: 6,
    sql: `UPDATE products SET name = 'changed ' || version, version = nextval('versions') WHERE id BETWEEN $id AND $id + $some;
          UPDATE stock SET amount = amount + 1, version = nextval('versions') WHERE product_id BETWEEN $id AND $id + $some`,
  },
  {
    weight: 4,
    sql: `INSERT INTO products (id, name, body) SELECT nextval('ids'), 'new', 'short' FROM generate_series(1, $some);
          INSERT INTO stock (product_id, place, amount) SELECT id, 'Zürich', 7 FROM products ORDER BY id DESC LIMIT 5
          ON CONFLICT (product_id, place) DO UPDATE SET amount = stock.amount + 1, version = nextval('versions')`,
  },
  {
    weight: 3,
    sql: `DELETE FROM products WHERE id IN (SELECT id FROM products WHERE id > 100000 ORDER BY id LIMIT $some)`,
  },
  {
    weight: 2,
    sql: `UPDATE products SET id = nextval('ids'), version = nextval('versions') WHERE id BETWEEN $id AND $id + 2`,
  },
  { weight: 2, sql: `UPDATE products SET body = repeat('other ', 800), version = nextval('versions') WHERE id = $id` },
  {
    weight: 2,
    sql: `UPDATE labels SET label = CASE WHEN label LIKE 'hidden%' THEN 'shown ' ELSE 'hidden ' END || version, rank = rank + 1,
            version = nextval('versions') WHERE id BETWEEN $id % 5000 AND $id % 5000 + $some;
          INSERT INTO labels (id, label, rank) SELECT nextval('ids'), 'new', 3 FROM generate_series(1, $some);
          DELETE FROM labels WHERE id IN (SELECT id FROM labels WHERE id > 100000 ORDER BY id LIMIT 20)`,
  },
  {
    weight: 2,
    sql: `UPDATE reviews SET stars = stars + 1, version = nextval('versions') WHERE id BETWEEN $id % 6000 AND $id % 6000 + $some;
          INSERT INTO reviews (id, stars) SELECT nextval('ids'), 1 FROM generate_series(1, $some);
          UPDATE reviews SET id = nextval('ids'), version = nextval('versions') WHERE id BETWEEN $id % 6000 AND $id % 6000 + 2;
          DELETE FROM reviews WHERE id IN (SELECT id FROM reviews WHERE id > 100000 ORDER BY id LIMIT 20)`,
  },
  {
    weight: 2,
    sql: `INSERT INTO drafts (id, line) SELECT nextval('ids'), 'new' FROM generate_series(1, $some);
          UPDATE drafts SET line = 'changed', version = nextval('versions') WHERE id % 5 = $id % 5;
          UPDATE drafts SET id = nextval('ids'), version = nextval('versions') WHERE id IN (SELECT id FROM drafts ORDER BY id LIMIT 3);
          DELETE FROM drafts WHERE id IN (SELECT id FROM drafts ORDER BY id DESC LIMIT 20)`,
  },
  // Bundles come down from the attic and go there, parts change alone, with their bundle, and from one bundle to another.
  {
    weight: 2,
    sql: `UPDATE parts SET quantity = quantity + 1 WHERE bundle_id BETWEEN $id % 2000 AND $id % 2000 + $some;
          UPDATE parts SET bundle_id = 1 + bundle_id % 2000 WHERE id BETWEEN $id % 5000 AND $id % 5000 + $some`,
  },
  {
    weight: 2,
    sql: `UPDATE bundles SET shelf = CASE shelf WHEN 'attic' THEN 'shelf ' || version ELSE 'attic' END, version = nextval('versions')
            WHERE id BETWEEN $id % 2000 AND $id % 2000 + $some;
          UPDATE parts SET quantity = quantity + 2 WHERE bundle_id BETWEEN $id % 2000 AND $id % 2000 + 5;
          INSERT INTO parts (id, bundle_id, quantity) SELECT nextval('ids'), 1 + $id % 2000, n FROM generate_series(1, $some) AS n;
          DELETE FROM parts WHERE id IN (SELECT id FROM parts WHERE id > 100000 ORDER BY id LIMIT 40)`,
  },
  {
    weight: 1,
    sql: `INSERT INTO bundles (id, shelf) SELECT nextval('ids'), 'new' FROM generate_series(1, $some);
          UPDATE bundles SET id = nextval('ids'), version = nextval('versions') WHERE id IN (SELECT id FROM bundles ORDER BY id LIMIT 3);
          INSERT INTO parts (id, bundle_id, quantity) SELECT nextval('ids'), id, 3 FROM bundles ORDER BY id DESC LIMIT 5;
          DELETE FROM bundles WHERE id IN (SELECT id FROM bundles WHERE id > 100000 ORDER BY id LIMIT 20)`,
  },
  {
    weight: 0.05,
    sql: `UPDATE parts SET quantity = 0;
          TRUNCATE parts;
          INSERT INTO parts (id, bundle_id, quantity) SELECT nextval('ids'), 1 + n % 2000, n % 5 FROM generate_series(1, 4000) AS n`,
  },
  {
    weight: 0.15,
    sql: `UPDATE drafts SET line = 'in vain', version = nextval('versions');
          TRUNCATE drafts;
          INSERT INTO drafts (id, line) SELECT nextval('ids'), 'first' FROM generate_series(1, $some)`,
  },
  // A column that no mapping names comes, and goes.
  {
    weight: 0.1,
    sql: `ALTER TABLE drafts ADD COLUMN IF NOT EXISTS remark text DEFAULT 'none';
          UPDATE drafts SET remark = 'seen', version = nextval('versions')`,
  },
  {
    weight: 0.1,
    sql: `UPDATE drafts SET line = 'old', version = nextval('versions') WHERE id % 2 = 0;
          ALTER TABLE drafts DROP COLUMN IF EXISTS remark;
          UPDATE drafts SET line = 'bare', version = nextval('versions') WHERE id % 3 = 0`,
  },
  // Types become wider, and values come that need them.
  {
    weight: 0.1,
    widens: true,
    sql: `UPDATE products SET name = 'before', version = nextval('versions') WHERE id BETWEEN $id AND $id + 20;
          DO $do$ DECLARE
            longer int := (SELECT atttypmod - 4 + 1 FROM pg_attribute WHERE attrelid = 'products'::regclass AND attname = 'name');
          BEGIN
            EXECUTE format('ALTER TABLE products ALTER name TYPE varchar(%s)', longer);
            UPDATE products SET name = repeat('n', longer), version = nextval('versions') WHERE id BETWEEN $id + 10 AND $id + 30;
          END $do$`,
  },
  {
    weight: 0.1,
    widens: true,
    sql: `UPDATE reviews SET score = 1.5, version = nextval('versions') WHERE id BETWEEN $id % 6000 AND $id % 6000 + 20;
          DO $do$ DECLARE
            digits int := (SELECT (atttypmod - 4 >> 16) + 1 FROM pg_attribute WHERE attrelid = 'reviews'::regclass AND attname = 'score');
          BEGIN
            EXECUTE format('ALTER TABLE reviews ALTER score TYPE numeric(%s, 2)', digits);
            INSERT INTO reviews (id, stars, score) SELECT nextval('ids'), 1, repeat('9', digits - 2)::numeric FROM generate_series(1, 5);
          END $do$`,
  },
  // A key becomes wider, once: PostgreSQL writes the whole table anew.
  {
    weight: 0.02,
    widens: true,
    sql: `UPDATE reviews SET stars = 2, version = nextval('versions') WHERE id BETWEEN $id % 6000 AND $id % 6000 + 20;
          ALTER TABLE reviews ALTER id TYPE bigint;
          INSERT INTO reviews (id, stars) SELECT nextval('ids') + 3000000000, 2 FROM generate_series(1, 5)`,
  },
  // Larger than a batch of sync.
  { weight: 0.2, sql: `UPDATE products SET version = nextval('versions') WHERE id BETWEEN $id AND $id + 3000` },
]

/**
 * @param random 0 to 1, exclusive: which transactions, in which order.
 * @param pauseMs between two transactions.
 * @param widens whether types of mapped columns become wider.
 */
export function startWriter(url: string, random: () => number, pauseMs: number, widens = true): Writer {
  const transactions = TRANSACTIONS.filter(transaction => widens || transaction.widens !== true)
  let [committed, truncated, altered] = [0, 0, 0]
  let writing = true
  let client: pg.Client | undefined
  const write = async () => {
    try {
      client ??= await connect(url)
      const sql = nextTransaction(transactions, random)
      await client.query(`BEGIN; ${sql}; COMMIT`)
      committed += 1
      if (sql.includes('TRUNCATE')) truncated += 1
      if (sql.includes('ALTER TABLE')) altered += 1
      await sleep(pauseMs)
    } catch (error) {
      // A statement that is wrong stays wrong, and nobody would miss what it was to write.
      if (error instanceof pg.DatabaseError && /^(22|23|42)/.test(error.code ?? '')) throw error
      // It died, perhaps with the transaction; whether that was committed shows in the end.
      await client?.end().catch(() => {})
      client = undefined
      await sleep(AWAY_MS)
    }
  }
  const loop = (async () => {
    try {
      while (writing) await write()
    } finally {
      await client?.end()
    }
  })()
  // Whoever stops it hears of it.
  loop.catch(() => {})
  return {
    get committed() {
      return committed
    },
    get truncated() {
      return truncated
    },
    get altered() {
      return altered
    },
    stop: async () => {
      writing = false
      await loop
    },
  }
}

function nextTransaction(transactions: readonly Transaction[], random: () => number): string {
  let roll = random() * transactions.reduce((sum, { weight }) => sum + weight, 0)
  const chosen = transactions.find(({ weight }) => {
    roll -= weight
    return roll < 0
  })
  const id = 1 + Math.floor(random() * 16_000)
  const some = 1 + Math.floor(random() * 60)
  return (chosen ?? { sql: '' }).sql.replaceAll('$id', String(id)).replaceAll('$some', String(some))
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}
