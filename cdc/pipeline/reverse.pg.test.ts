import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { backOf, startBack } from '../testing/back-mapping.ts'
import { asPlainUser, CAPABILITY, createHarness, LEDGER, reaches, type SyncHarness } from '../testing/sync-harness.ts'
import { beginWithoutCopy } from './begin-without-copy.ts'
import type { Pipeline } from './pipeline.ts'
import type { PipelineOptions } from './pipeline-options.ts'

const SOURCE = `
  CREATE TABLE products (id int PRIMARY KEY, name_en text, name_de text, price numeric(12,2) NOT NULL);
  INSERT INTO products SELECT n, 'en ' || n, CASE WHEN n % 2 = 0 THEN 'de ' || n END, n / 8.0 FROM generate_series(1, 200) n;
`
const TARGET = 'CREATE TABLE items (item_id bigint PRIMARY KEY, names jsonb NOT NULL, cents bigint NOT NULL)'
const SYNC = {
  tables: [
    {
      source: 'products',
      target: 'items',
      key: { id: 'item_id' },
      forward: {
        names: `jsonb_strip_nulls(jsonb_build_object('en', name_en, 'de', name_de))`,
        cents: '(price * 100)::bigint',
      },
      reverse: { name_en: `names ->> 'en'`, name_de: `names ->> 'de'`, price: '(cents / 100.0)::numeric(12, 2)' },
    },
  ],
}

interface BothWays {
  readonly forward: Pipeline
  readonly reverse: Pipeline
  quiet(): Promise<void>
}

/** Both directions at once, which no phase asks for: an echo would go round for ever. */
async function startBothWays(sync: SyncHarness, options: Partial<PipelineOptions> = {}): Promise<BothWays> {
  const forward = await sync.streaming()
  const reversed = {
    source: sync.target,
    target: sync.source,
    capability: CAPABILITY,
    direction: 'reverse' as const,
    ledger: LEDGER,
  }
  await beginWithoutCopy({ ...reversed, sync: parseSync(SYNC) })
  const reverse = sync.pipeline({ ...reversed, ...options })
  await reverse.start()
  await reaches(reverse, 'streaming')
  return {
    forward,
    reverse,
    quiet: async () => {
      for (let round = 0; round < 2; round++) {
        await sync.caughtUp()
        await waitUntilCaughtUp({ ...reversed, timeoutMs: 20_000 })
      }
    },
  }
}

async function expectNoEcho(sync: SyncHarness): Promise<void> {
  const { forward, reverse, quiet } = await startBothWays(sync)
  await sync.onSource(`UPDATE products SET name_en = 'changed' WHERE id <= 100`)
  await sync.onSource('DELETE FROM products WHERE id = 1')
  await quiet()
  expect([forward.status().appliedRows, reverse.status().appliedRows]).toEqual([101, 0])

  await sync.onTarget(`UPDATE items SET cents = cents + 5 WHERE item_id <= 50`)
  await sync.onTarget(`INSERT INTO items VALUES (1000, '{"en": "of the service"}', 1234)`)
  await quiet()
  expect([forward.status().appliedRows, reverse.status().appliedRows]).toEqual([101, 50])
  expect(await sync.onSource('SELECT * FROM products WHERE id = 1000')).toEqual([
    { id: 1000, name_en: 'of the service', name_de: null, price: '12.34' },
  ])
}

describe('invariant 5: what sync applied is never sent back', () => {
  it('by its replication origin', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await expectNoEcho(sync)
    const origins = await sync.onTarget('SELECT roname FROM pg_replication_origin')
    expect(origins.map(({ roname }) => roname)).toContainEqual(expect.stringMatching(/^ficus_catalog_forward_/))
  })

  it('by a message in each transaction, where the user may not set an origin', async () => {
    await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
    await expectNoEcho(await asPlainUser(sync, ['products'], ['items']))
  })
})

it('there and back gives the same rows', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const before = await sync.onSource('SELECT * FROM products ORDER BY id')
  const { quiet } = await startBothWays(sync)
  // Every row of the service is written again, so every row goes back.
  await sync.onTarget('UPDATE items SET cents = cents')
  await quiet()
  expect(await sync.onSource('SELECT * FROM products ORDER BY id')).toEqual(before)
})

it('dropping a sync that was begun without a copy removes no row', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const { reverse } = await startBothWays(sync)
  expect(await reverse.drop()).toEqual({ existed: true })
  expect(await sync.onSource('SELECT count(*)::int AS rows FROM products')).toEqual([{ rows: 200 }])
})

it('two halves of a row of the monolith make it whole, whichever has its mandatory columns, and go on after a restart', async () => {
  const half = { source: 'products', key: { id: 'id' } }
  const input = {
    tables: [
      { ...half, target: 'english', forward: { name: 'name_en' }, reverse: { name_en: 'name' } },
      { ...half, target: 'german', forward: { name: 'name_de' }, reverse: { name_de: 'name' } },
    ],
  }
  const names = (table: string) => `CREATE TABLE ${table} (id int PRIMARY KEY, name text);`
  const source = `${SOURCE} ALTER TABLE products ALTER price SET DEFAULT 1, ALTER name_en SET NOT NULL`
  await using sync = await createHarness(createDatabase, source, names('english') + names('german'), input)
  await (await sync.streaming()).stop()
  const mapping = parseSync(input)
  const options = backOf(sync, mapping)
  await (await startBack(sync, mapping)).stop()
  await sync.onTarget(`UPDATE english SET name = 'one' WHERE id = 1; UPDATE german SET name = 'eins' WHERE id = 1`)
  await sync.onTarget(`INSERT INTO english VALUES (1000, 'new'); INSERT INTO german VALUES (1000, 'neu')`)
  const again = sync.pipeline(options)
  await again.start()
  await reaches(again, 'streaming')
  await waitUntilCaughtUp({ ...options, timeoutMs: 20_000 })
  expect(await sync.onSource('SELECT name_en, name_de FROM products WHERE id IN (1, 1000) ORDER BY id')).toEqual([
    { name_en: 'one', name_de: 'eins' },
    { name_en: 'new', name_de: 'neu' },
  ])
})

it.each([
  { triggers: 'fire', audit: ['line gone', 'product added'], lines: [2] },
  { triggers: 'silent', audit: [], lines: [1, 2] },
] as const)('the monolith’s triggers and foreign keys act on what comes back, or do not: $triggers', async way => {
  const source = `${SOURCE}
    CREATE TABLE lines (product int REFERENCES products ON DELETE CASCADE);
    INSERT INTO lines VALUES (1), (2);
    CREATE TABLE audit (entry text);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (TG_ARGV[0]); RETURN NULL; END $$;
    CREATE TRIGGER added AFTER INSERT ON products FOR EACH ROW EXECUTE FUNCTION audit('product added');
    CREATE TRIGGER gone AFTER DELETE ON lines FOR EACH ROW EXECUTE FUNCTION audit('line gone')`
  await using sync = await createHarness(createDatabase, source, TARGET, SYNC)
  const { reverse, quiet } = await startBothWays(sync, { triggers: way.triggers })
  await sync.onTarget(`INSERT INTO items VALUES (1000, '{}', 1); DELETE FROM items WHERE item_id = 1`)
  await quiet()
  expect(reverse.status().appliedRows).toBe(2)
  expect(await sync.onSource('SELECT id FROM products WHERE id IN (1, 1000)')).toEqual([{ id: 1000 }])
  expect((await sync.onSource('SELECT entry FROM audit ORDER BY 1')).map(({ entry }) => entry)).toEqual(way.audit)
  expect((await sync.onSource('SELECT product FROM lines')).map(({ product }) => product)).toEqual(way.lines)
})

it('invariant 13: a changed mapping that does not fit the service is refused before its first change', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const ways = await startBothWays(sync)
  await ways.reverse.stop()
  const changed = (name_en: string) => ({
    source: sync.target,
    target: sync.source,
    direction: 'reverse' as const,
    sync: parseSync({ tables: SYNC.tables.map(table => ({ ...table, reverse: { ...table.reverse, name_en } })) }),
  })
  const unfit = sync.pipeline(changed(`label ->> 'en'`))
  await unfit.start()
  await reaches(unfit, 'failed')
  expect(unfit.status().error).toMatchObject({
    code: 'FICUS_MAPPING_INVALID',
    message: expect.stringMatching(/reverse\.name_en: .*column "label" does not exist/),
  })
  await sync.streaming(changed(`upper(names ->> 'en')`))
  await sync.onTarget('UPDATE items SET cents = 7 WHERE item_id = 1')
  await ways.quiet()
  expect(await sync.onSource('SELECT name_en FROM products WHERE id = 1')).toEqual([{ name_en: 'EN 1' }])
})

it('values that ALTER TABLE rewrote in the service come to the monolith, and nothing is removed from it', async () => {
  await using sync = await createHarness(createDatabase, SOURCE, TARGET, SYNC)
  const { quiet } = await startBothWays(sync)
  await sync.onTarget('UPDATE items SET cents = 100 WHERE item_id = 1')
  await quiet()
  await sync.onTarget('ALTER TABLE items ALTER cents TYPE bigint USING cents + 1')
  await vi.waitFor(
    async () => expect(await sync.onSource('SELECT price FROM products WHERE id = 1')).toEqual([{ price: '1.01' }]),
    { timeout: 20_000, interval: 50 },
  )
  await quiet()
  expect(await sync.onSource('SELECT count(*)::int AS rows FROM products')).toEqual([{ rows: 200 }])
  await sync.onTarget('ALTER TABLE items ALTER item_id TYPE bigint USING item_id + 1000')
  const read = `SELECT FROM ficus.flow WHERE direction = 'reverse' AND NOT reading`
  await vi.waitFor(
    async () => {
      expect(await sync.onSource('SELECT count(*)::int AS rows FROM products WHERE id > 1000')).toEqual([{ rows: 200 }])
      expect(await sync.onSource(read)).toHaveLength(1)
    },
    { timeout: 20_000, interval: 50 },
  )
  expect(await sync.onSource('SELECT count(*)::int AS rows FROM products')).toEqual([{ rows: 400 }])
})
