import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it, vi } from 'vitest'
import { parseSync } from '../mapping/parse-sync.ts'
import { createHarness, type SyncHarness } from '../testing/sync-harness.ts'

it('invariant 3: keys are rewritten: rows are read under the new ones, those of the old ones go, and nothing else does', async () => {
  const pairs = 'CREATE TABLE pairs (a int, b text, c int, PRIMARY KEY (a, b))'
  const PAIRS = { source: 'pairs', target: 'pairs', key: { a: 'a', b: 'b' }, forward: { c: 'c' } }
  // Its key is computed from the same columns: what is removed from the one goes from the other.
  const COMPUTED = {
    ...PAIRS,
    target: 'codes',
    key: { a: { to: 'a', forward: `'P' || a`, reverse: 'substr(a, 2)::int' }, b: 'b' },
  }
  const KINDS = {
    ...PAIRS,
    target: 'kinds',
    each: { rows: 'generate_series(1, 2) AS kind(n)', key: { n: 'kind.n' } },
  }
  await using sync = await createHarness(
    createDatabase,
    `${pairs}; INSERT INTO pairs SELECT n, n % 7, n FROM generate_series(1, 50) n`,
    `${pairs}; CREATE TABLE codes (a text, b text, c int, PRIMARY KEY (a, b)); CREATE TABLE kinds (a int, b text, n int, c int, PRIMARY KEY (a, b, n))`,
    { tables: [PAIRS, COMPUTED, KINDS] },
  )
  await sync.streaming({ batchRows: 8 })
  await sync.onSource('ALTER TABLE pairs ALTER a TYPE bigint USING a + 30')
  const expected = await sync.onSource('SELECT a::int, b, c FROM pairs ORDER BY a')
  await vi.waitFor(
    async () => {
      expect(await sync.onTarget('SELECT * FROM pairs ORDER BY a')).toEqual(expected)
      expect(await sync.onTarget('SELECT substr(a, 2)::int AS a, b, c FROM codes ORDER BY 1')).toEqual(expected)
      expect(await sync.onTarget('SELECT a, b, c FROM kinds WHERE n = 1 ORDER BY 1')).toEqual(expected)
      expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([])
    },
    { timeout: 20_000, interval: 50 },
  )
  expect(await sync.onTarget('SELECT count(*)::int FROM kinds')).toEqual([{ count: 100 }])
})

describe('invariant 3: a row stays whose key does not say whether the source still has it', () => {
  const mapping = (name: string) => ({ source: name, target: name, key: { id: 'id' }, forward: { n: 'n' } })
  const table = (name: string, type: string) => `CREATE TABLE ${name} (id ${type} PRIMARY KEY, n int)`
  const noneRead = (sync: SyncHarness) =>
    vi.waitFor(async () => expect(await sync.onTarget('SELECT FROM ficus.flow WHERE reading')).toEqual([]), {
      timeout: 20_000,
      interval: 50,
    })

  it('since the target writes it in another way, or takes it for another', async () => {
    const parts = (name: string, type: string, one: string, other: string) =>
      `${table(name, type)} PARTITION BY LIST (id);
       CREATE TABLE ${name}_one PARTITION OF ${name} FOR VALUES IN (${one});
       CREATE TABLE ${name}_other PARTITION OF ${name} FOR VALUES IN (${other});
       INSERT INTO ${name} VALUES (${one}, 1), (${other}, 2);`
    const [one, other] = ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11']
    await using sync = await createHarness(
      createDatabase,
      `${parts('told', 'text', `'a'`, `'b'`)} ${parts('uuids', 'text', `'${one}'`, `'${other}'`)}
       ${parts('padded', 'text', `'a '`, `'b '`)} ${parts('scaled', 'int', '1', '2')}
       ${table('cased', 'text')}; INSERT INTO cased VALUES ('a', 1), ('b', 2)`,
      `CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       ${table('told', 'text')}; ${table('uuids', 'uuid')}; ${table('padded', 'char(5)')}; ${table('scaled', 'numeric(10,2)')};
       ${table('cased', 'text COLLATE caseless')}`,
      { tables: ['told', 'uuids', 'padded', 'scaled', 'cased'].map(mapping) },
    )
    await sync.streaming()
    const left = ['told', 'uuids', 'padded', 'scaled'].map(name => `ALTER TABLE ${name} DETACH PARTITION ${name}_other`)
    await sync.onSource(`BEGIN; ALTER TABLE cased ALTER id TYPE text USING upper(id); ${left.join('; ')}; COMMIT`)
    await vi.waitFor(async () => expect(await sync.onTarget('SELECT n FROM told')).toEqual([{ n: 1 }]), {
      timeout: 20_000,
      interval: 50,
    })
    await noneRead(sync)
    for (const name of ['uuids', 'padded', 'scaled', 'cased'])
      expect(await sync.onTarget(`SELECT n FROM ${name} ORDER BY n`), name).toEqual([{ n: 1 }, { n: 2 }])
    expect(await sync.onTarget('SELECT FROM ficus.parked')).toEqual([])
  })

  it('since a table was added meanwhile that is filled by other columns', async () => {
    const PAIRS = { source: 'pairs', target: 'pairs', key: { a: 'a', b: 'b' }, forward: { n: 'a' } }
    const ONES = { source: 'pairs', target: 'ones', key: { a: 'a' }, forward: { b: 'b' } }
    await using sync = await createHarness(
      createDatabase,
      `CREATE TABLE pairs (a int, b text, UNIQUE (a), PRIMARY KEY (a, b)); INSERT INTO pairs VALUES (1, 'now')`,
      'CREATE TABLE pairs (a int, b text, n int, PRIMARY KEY (a, b)); CREATE TABLE ones (a int PRIMARY KEY, b text)',
      { tables: [PAIRS] },
    )
    await (await sync.streaming()).stop()
    await sync.onTarget(
      `INSERT INTO pairs VALUES (1, 'before', 1); UPDATE ficus.flow SET reading = true, sweep = 'later'`,
    )
    await sync.streaming({ sync: parseSync({ tables: [ONES, PAIRS] }) })
    await noneRead(sync)
    expect(await sync.onTarget('SELECT * FROM ones')).toEqual([{ a: 1, b: 'now' }])
  })
})
