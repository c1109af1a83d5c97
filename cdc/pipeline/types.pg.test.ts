import { postgresBinaries } from '@ficus/deploy/native/postgres-binaries'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { readColumnForms } from '../change-source/debezium/column-forms.ts'
import { withSession } from '../database/session.ts'
import { diffCapability } from '../diff/diff-capability.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { readTableShape } from '../mapping/table-shape.ts'
import { CAPABILITY, createHarness, type SyncHarness } from '../testing/sync-harness.ts'
import { SAMPLE_NAMES, SAMPLE_TYPES, samplesOf } from '../testing/type-samples.ts'
import { namesWorkload, typeWorkload, type Workload } from '../testing/type-workload.ts'

const { major } = await postgresBinaries()
const SAMPLES = samplesOf(major)

/** Copies what the workload did, streams what it does once more, and compares rows as text and by the diff. */
async function copyStreamAndCompare(sync: SyncHarness, workload: Workload): Promise<void> {
  for (const statement of workload.changes(1)) await sync.onSource(statement)
  await sync.streaming()
  for (const statement of workload.changes(10_000)) await sync.onSource(statement)
  await sync.caughtUp()
  const input = { tables: workload.tables }
  await expectSameText(sync, input)
  const report = await diffCapability({
    source: sync.source,
    target: sync.target,
    capability: CAPABILITY,
    direction: 'forward',
    sync: parseSync(input),
  })
  expect(report.tables.map(({ target, differing }) => [target, differing])).toEqual(
    report.tables.map(({ target }) => [target, []]),
  )
}

async function expectSameText(sync: SyncHarness, { tables }: SyncInput): Promise<void> {
  for (const { source, target } of tables) {
    const rows = (table: string) => `SELECT t::text AS row FROM ${table} AS t ORDER BY 1`
    const expected = await sync.onSource(rows(source))
    expect(expected.length, source).toBeGreaterThan(0)
    expect(await sync.onTarget(rows(target)), target).toEqual(expected)
  }
}

it('carries every type whose binary form means the same everywhere in it', async () => {
  const workload = typeWorkload(SAMPLES.filter(({ postgres }) => postgres === 'binary'))
  const schema = SAMPLE_TYPES + workload.schema
  await using sync = await createHarness(createDatabase, schema, schema, { tables: workload.tables })
  await copyStreamAndCompare(sync, workload)
})

it('carries every type in text form beside one that only one database knows', async () => {
  const workload = typeWorkload(SAMPLES)
  const schema = SAMPLE_TYPES + workload.schema
  // Other objects first: the same type has another OID on the other side.
  const shift = 'CREATE TYPE shift AS (x int); DROP TYPE shift;'
  await using sync = await createHarness(createDatabase, schema, shift + schema, { tables: workload.tables })
  await copyStreamAndCompare(sync, workload)
})

it('carries every type whatever settings of their own the databases and the role have', async () => {
  const workload = typeWorkload(SAMPLES)
  const schema = SAMPLE_TYPES + workload.schema
  await using sync = await createHarness(createDatabase, schema, schema, { tables: workload.tables })
  await sync.onSource(oddSettings('Asia/Kolkata', 'SQL, DMY', 'sql_standard', 'escape'))
  await sync.onTarget(oddSettings('America/St_Johns', 'German, DMY', 'iso_8601', 'hex'))
  await copyStreamAndCompare(sync, workload)
})

it('carries names that are keywords, in capitals, in Unicode, with quotes, dots and blanks', async () => {
  const workload = namesWorkload(SAMPLE_NAMES)
  await using sync = await createHarness(createDatabase, workload.schema, workload.schema, { tables: workload.tables })
  await copyStreamAndCompare(sync, workload)
})

it('knows of every type how each engine carries it', async () => {
  await using database = await createDatabase('forms')
  const workload = typeWorkload(SAMPLES)
  const { shape, forms } = await withSession({ url: database.url, name: 'the source' }, async client => {
    await client.query(SAMPLE_TYPES + workload.schema)
    const shape = await readTableShape(client, { schema: 'public', table: 'things' })
    return { shape, forms: await readColumnForms(client, shape?.oid ?? 0) }
  })
  const found = SAMPLES.map(sample => {
    const name = workload.columnOf(sample)
    const form = forms.find(column => column.name === name)
    const column = shape?.columns.find(candidate => candidate.name === name)
    const isSent = form?.readBack ? 'sent, but for some' : 'sent'
    return [sample.type, column?.binary ? 'binary' : 'text', form?.toText === null ? 'read back' : isSent]
  })
  expect(found).toEqual(SAMPLES.map(({ type, postgres, debezium }) => [type, postgres, debezium]))
})

it('carries a value that is added to an enum while changes stream', async () => {
  const sql = `CREATE TYPE mood AS ENUM ('good'); CREATE TABLE things (id int PRIMARY KEY, mood mood)`
  const input = { tables: [{ source: 'things', target: 'things', key: { id: 'id' }, forward: { mood: 'mood' } }] }
  await using sync = await createHarness(createDatabase, sql, sql, input)
  await sync.streaming()
  await sync.onSource(`INSERT INTO things VALUES (1, 'good')`)
  await sync.onTarget(`ALTER TYPE mood ADD VALUE 'better'`)
  await sync.onSource(`ALTER TYPE mood ADD VALUE 'better'`)
  await sync.onSource(`INSERT INTO things VALUES (2, 'better')`)
  await sync.onSource(`UPDATE things SET mood = 'better' WHERE id = 1`)
  await sync.caughtUp()
  await expectSameText(sync, input)
})

it('carries an enum and a domain into plain columns', async () => {
  const own = `CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN cents AS numeric(12,2);`
  const source = `${own} CREATE TABLE things (id int PRIMARY KEY, m mood, c cents, v varchar(5), n int)`
  const target = 'CREATE TABLE copies (id int PRIMARY KEY, m text, c numeric(10,1), v varchar(10), n bigint)'
  const columns = { m: 'm', c: 'c::numeric(10,1)', v: 'v', n: 'n' }
  await using sync = await createHarness(createDatabase, source, target, {
    tables: [{ source: 'things', target: 'copies', key: { id: 'id' }, forward: columns }],
  })
  const rows = (first: number) =>
    `INSERT INTO things VALUES (${first}, 'good', 1.55, 'abc', 7), (${first + 1}, 'bad', 2.25, NULL, NULL)`
  await sync.onSource(rows(1))
  await sync.streaming()
  await sync.onSource(rows(3))
  await sync.caughtUp()
  const rounded = 'SELECT id, m::text, c::numeric(10,1)::text AS c, v, n::text FROM'
  expect(await sync.onTarget(`${rounded} copies ORDER BY id`)).toEqual(
    await sync.onSource(`${rounded} things ORDER BY id`),
  )
})

it('carries a partitioned table into a plain one', async () => {
  const source = `
    CREATE TABLE things (id int, year int, note text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
    CREATE TABLE things_1 PARTITION OF things FOR VALUES IN (1); CREATE TABLE things_2 PARTITION OF things FOR VALUES IN (2);
    INSERT INTO things SELECT n, n % 2 + 1, 'note' FROM generate_series(1, 100) n;`
  const target = 'CREATE TABLE copies (id int, year int, note text, PRIMARY KEY (id, year))'
  const sync: SyncInput = {
    tables: [{ source: 'things', target: 'copies', key: { id: 'id', year: 'year' }, forward: { note: 'note' } }],
  }
  await using harness = await createHarness(createDatabase, source, target, sync)
  await harness.streaming()
  await harness.onSource(`UPDATE things SET note = 'changed' WHERE id < 10; DELETE FROM things WHERE id > 90`)
  await harness.onSource(`UPDATE things SET year = 2 WHERE id = 20`)
  await harness.onSource(
    `CREATE TABLE things_3 PARTITION OF things FOR VALUES IN (3); INSERT INTO things VALUES (1, 3, 'new')`,
  )
  await harness.caughtUp()
  const rows = (table: string) => `SELECT * FROM ${table} ORDER BY id, year`
  expect(await harness.onTarget(rows('copies'))).toEqual(await harness.onSource(rows('things')))
})

/** What a database may have set, and every session of it starts with. */
function oddSettings(timeZone: string, dateStyle: string, intervalStyle: string, bytea: string): string {
  const settings = [
    ...[`TimeZone = '${timeZone}'`, `DateStyle = '${dateStyle}'`, `IntervalStyle = '${intervalStyle}'`],
    ...[`bytea_output = '${bytea}'`, 'extra_float_digits = -5', `xmloption = 'document'`],
  ]
  const alter = settings.map(setting => `EXECUTE format($f$ALTER DATABASE %I SET ${setting}$f$, current_database());`)
  return `DO $$ BEGIN ${alter.join(' ')} END $$`
}
