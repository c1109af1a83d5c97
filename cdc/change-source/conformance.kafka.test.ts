import { randomBytes } from 'node:crypto'
import { SECTIONS } from '@ficus/core/config/schema'
import { quoteIdentifier } from '@ficus/core/sql/identifier'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { type ChangeEvent, type EventRow, UNAVAILABLE_VALUE } from '../change-event/change-event.ts'
import { viewChange } from '../change-event/view-change.ts'
import { withSession } from '../database/session.ts'
import { emitMark, waitUntilCaughtUp } from '../lag/lag.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import { LEDGER, reaches } from '../testing/sync-harness.ts'
import type { ChangeSource, ChangeSourceFactory } from './change-source.ts'
import { DebeziumSource } from './debezium/debezium-source.ts'
import { MARK } from './marks.ts'
import { lsnToNumber, type Position } from './position.ts'
import { PostgresSource } from './postgres/postgres-source.ts'
import { createExportedSlot, createPublication, dropSlotAndPublication } from './slot.ts'

/** Column type -> values as SQL, each of which both engines must carry whole. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  int2: ['32767', '-32768'],
  int4: ['2147483647'],
  int8: ['9007199254740993', '-9223372036854775808', '9999999999999999'],
  oid: ['4294967295'],
  numeric: [`'NaN'`, `'-Infinity'`, '123456789012345678901234567890.12345678901234567890', '1.00', '1.0', '0.00000000'],
  'numeric(12,2)': ['0.01', '-99999.99', '1000.00'],
  float4: [`'NaN'`, '1.1', '16777216'],
  float8: [`'-Infinity'`, '0.1', '1e-300', `'-0'`, '9007199254740993'],
  bool: ['true', 'false'],
  text: [`''`, `' '`, `'ünï😀'`, `E'\\t\\n\\\\N\\r\\f\\b'`, `'9007199254740993'`, `'"source":{"x":1}'`],
  'varchar(10)': [`'ten letter'`],
  'char(5)': [`'ab'`, `''`],
  name: [`'pg_catalog'`],
  bytea: [`'\\x00ff5c'`, `''`],
  uuid: [`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`],
  date: [
    `'0044-03-15 BC'`,
    `'infinity'`,
    `'-infinity'`,
    `'2026-02-28'`,
    `'1582-10-10'`,
    `'5874897-12-31'`,
    `'4713-01-01 BC'`,
  ],
  timestamp: [
    `'2026-01-01 00:00:00.123456'`,
    `'-infinity'`,
    `'1969-12-31 23:59:59.999999'`,
    `'0044-03-15 01:02:03.5 BC'`,
  ],
  timestamptz: [`'2026-03-29 02:30:00.000001+01'`, `'4713-01-01 BC'`, `'infinity'`, `'12026-01-01'`, `'0001-01-01 BC'`],
  time: [`'23:59:59.999999'`, `'24:00:00'`],
  interval: [`'1 year -2 days 03:04:05.000006'`, `'-1 mon 2 days -00:00:01.5'`, `'0'`],
  json: [`'{"b":1,  "a":2, "a":9007199254740993}'`],
  jsonb: [`'{"n": 9007199254740993, "d": 1.00, "s": "\\u00fc"}'`, `'null'`, `'"text"'`],
  xml: [`'<a>1</a>'`],
  inet: [`'10.0.0.1/8'`, `'::1'`],
  cidr: [`'10.0.0.0/8'`],
  macaddr: [`'08:00:2b:01:02:03'`],
  int4range: [`'[1,5)'`, `'empty'`],
  tstzrange: [`'["2026-01-01 00:00:00.5+00",)'`],
  int4multirange: [`'{[1,3), [7,9)}'`],
  tsvector: [`to_tsvector('english', 'a fat cat')`],
  pg_lsn: [`'16/B374D848'`],
  mood: [`'good'`, `'bad "x"'`],
  pair: [`(1, 'a,b')`],
  cents: ['1.50'],
  'text[]': [`ARRAY['a"b', NULL, 'NULL', '', 'back\\slash', '{}']`, `'{}'`],
  'int4[]': [`'{1,NULL,3}'`],
  'int8[]': [`'{9007199254740993,NULL}'`],
  'numeric[]': [`'{0.10,1e30,NULL}'`],
  'bool[]': [`'{t,f,NULL}'`],
  'float8[]': [`'{0.1,NULL,NaN}'`],
  'uuid[]': [`'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'`],
  'jsonb[]': [`ARRAY['{"a": 9007199254740993}'::jsonb, NULL]`],
  'bytea[]': [`ARRAY['\\x5c22'::bytea, NULL]`],
  'mood[]': [`'{good}'`],
}
const NAMES = Object.keys(TYPES).map((_, index) => `c${index}`)
const LARGE = `repeat(md5('large'), 200)`

const SCHEMA = `
  CREATE TYPE mood AS ENUM ('good', 'bad "x"'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN cents AS numeric(12,2);
  CREATE TABLE things (id bigint PRIMARY KEY, touched int, large text, "Ünï ""x""" text, ${Object.keys(TYPES)
    .map((type, index) => `c${index} ${type}`)
    .join(', ')});
  ALTER TABLE things ALTER large SET STORAGE EXTERNAL;
  CREATE TABLE parts (a int, b text, n int, PRIMARY KEY (a, b));
  CREATE TABLE "Order, Items" ("Id" int PRIMARY KEY, "a.b" text);
  CREATE TABLE logs (at int, line text, large text);
  ALTER TABLE logs REPLICA IDENTITY FULL;
  ALTER TABLE logs ALTER large SET STORAGE EXTERNAL;
  CREATE TABLE years (id int, year int, note text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
  CREATE TABLE years_1 PARTITION OF years FOR VALUES IN (1); CREATE TABLE years_2 PARTITION OF years FOR VALUES IN (2);
`
const TABLES = ['things', 'parts', 'logs', 'years', 'Order, Items'].map(table => ({ schema: 'public', table }))
const ROWS = Object.values(TYPES).flatMap((values, index) => values.map(value => ({ column: `c${index}`, value })))

/** Every kind of change, one statement a transaction but where BEGIN stands. @param first the id of its first row. */
function workload(first: number): string[] {
  const insert = ({ column, value }: { column: string; value: string }, index: number) =>
    `INSERT INTO things (id, large, ${column}) VALUES (${first + index}, ${LARGE}, ${value})`
  const some = `id BETWEEN ${first} AND ${first + 20}`
  return [
    ...ROWS.map(insert),
    `UPDATE things SET touched = 1 WHERE ${some}`,
    `UPDATE things SET large = 'small' WHERE id = ${first}; UPDATE things SET "Ünï ""x""" = 'ü' WHERE id = ${first + 1}`,
    `UPDATE things SET id = id + 100000 WHERE id BETWEEN ${first + 5} AND ${first + 9}`,
    `DELETE FROM things WHERE id BETWEEN ${first + 12} AND ${first + 14}`,
    `BEGIN; INSERT INTO parts VALUES (${first}, 'x', 1), (${first}, 'y', 2); UPDATE parts SET b = 'z' WHERE b = 'x' AND a = ${first};
     INSERT INTO logs VALUES (${first}, 'one', ${LARGE}), (${first}, 'two', NULL); DELETE FROM parts WHERE b = 'y'; COMMIT`,
    `UPDATE logs SET line = 'three' WHERE line = 'one' AND at = ${first}`,
    `DELETE FROM logs WHERE line = 'two' AND at = ${first}`,
    `INSERT INTO years VALUES (${first}, 1, 'a'); UPDATE years SET note = 'b'; UPDATE years SET year = 2 WHERE id = ${first}`,
    `INSERT INTO "Order, Items" VALUES (${first}, 'a'), (${first + 1}, NULL); UPDATE "Order, Items" SET "a.b" = 'b'`,
    `BEGIN; INSERT INTO parts VALUES (0, 'rolled back', 0); ROLLBACK`,
  ]
}

const stack = kafkaStack()

describe.skipIf(stack === null)('both engines', () => {
  const debezium = {
    brokers: [stack?.bootstrapServers ?? ''],
    connectUrl: stack?.connectUrl ?? '',
    topicPrefix: `conformance_${randomBytes(4).toString('hex')}`,
    topics: SECTIONS.cdc.parse({}).topics,
  }
  const engines: Readonly<Record<'postgres' | 'debezium', ChangeSourceFactory>> = {
    postgres: options => new PostgresSource(options),
    debezium: options => new DebeziumSource(options, debezium),
  }

  it('invariant 5: deliver equal events of the same workload, and none that the other side made', async () => {
    await using database = await createDatabase('conformance')
    const source = { url: database.url, name: 'the source' }
    await withSession(source, async client => {
      await client.query(SCHEMA)
      const name = new URL(database.url).pathname.slice(1)
      const theirs = `ficus_theirs_${name}`
      await createPublication(client, source, name, TABLES)
      const opened: { engine: ChangeSource; slot: string; from: Position }[] = []
      for (const [engine, make] of Object.entries(engines)) {
        const slot = `${name}_${engine}`
        await using exported = await createExportedSlot(source, slot)
        const made = make({
          capability: 'catalog',
          direction: 'forward',
          source,
          slot,
          publication: name,
          tables: TABLES,
          columnsRead: (_, columns) => new Set(columns),
          batchRows: 50,
          ignoredOrigins: [theirs],
        })
        opened.push({ engine: made, slot, from: { lsn: exported.consistentPoint } })
      }
      for (const statement of workload(1)) await client.query(statement)
      await client.query('TRUNCATE parts, logs')
      await writeFromTheOtherSide(client, theirs)
      const until = await emitMark(client, MARK.WAYPOINT)
      const events: ChangeEvent[][] = []
      for (const { engine, slot, from } of opened) {
        events.push(await readEvents(engine, from, until, client))
        await engine.drop()
        await dropSlotAndPublication(source, slot)
      }
      expect(events[0]?.length).toBeGreaterThan(ROWS.length + 40)
      expect(events[1]).toEqual(events[0])
      expect(JSON.stringify(events)).not.toContain('theirs')
    })
  })

  it('invariant 3: bring equal rows into their targets', async () => {
    await using source = await createDatabase('conformance')
    await using one = await createDatabase('by_postgres')
    await using other = await createDatabase('by_debezium')
    const [reading, writingOne, writingOther] = [await open(source.url), await open(one.url), await open(other.url)]
    for (const client of [reading, writingOne, writingOther]) await client.query(SCHEMA)
    await writingOne.query('ALTER TABLE logs ADD PRIMARY KEY (at, line)')
    await writingOther.query('ALTER TABLE logs ADD PRIMARY KEY (at, line)')
    for (const statement of workload(1)) await reading.query(statement)
    const columns = Object.fromEntries(['touched', 'large', ...NAMES].map(column => [column, column]))
    const sync = parseSync({
      tables: [
        { source: 'things', target: 'things', key: { id: 'id' }, forward: { ...columns, 'Ünï "x"': '"Ünï ""x"""' } },
        { source: 'parts', target: 'parts', key: { a: 'a', b: 'b' }, forward: { n: 'n' } },
        { source: 'logs', target: 'logs', key: { at: 'at', line: 'line' }, forward: { large: 'large' } },
        {
          source: 'public."Order, Items"',
          target: 'public."Order, Items"',
          key: { Id: 'Id' },
          forward: { 'a.b': '"a.b"' },
        },
        { source: 'years', target: 'years', key: { id: 'id', year: 'year' }, forward: { note: 'note' } },
      ],
    })
    const pipelines = Object.entries(engines).map(([engine, make]) => {
      const target = { url: engine === 'postgres' ? one.url : other.url, name: `the target of ${engine}` }
      const ends = { source: { url: source.url, name: 'the source' }, target }
      const options = { capability: engine, direction: 'forward', ledger: LEDGER, ...ends, sync } as const
      return { options, pipeline: new Pipeline({ ...options, engine: make, batchRows: 100, copyWorkers: 1 }) }
    })
    try {
      for (const { pipeline } of pipelines) {
        await pipeline.start()
        await reaches(pipeline, 'streaming', 60_000)
      }
      for (const statement of workload(1_000)) await reading.query(statement)
      await reading.query(`TRUNCATE years; INSERT INTO years VALUES (1, 1, 'after')`)
      for (const { options } of pipelines) await waitUntilCaughtUp({ ...options, timeoutMs: 60_000 })
      for (const { table } of TABLES) {
        const name = quoteIdentifier(table)
        const query = `SELECT ${name}::text AS row FROM ${name} ORDER BY 1`
        const expected = (await reading.query(query)).rows
        expect(expected.length, table).toBeGreaterThan(0)
        expect((await writingOne.query(query)).rows, `${table} by postgres`).toEqual(expected)
        expect((await writingOther.query(query)).rows, `${table} by debezium`).toEqual(expected)
      }
    } finally {
      for (const { pipeline } of pipelines) await pipeline.drop()
      for (const client of [reading, writingOne, writingOther]) await client.end()
    }
  })
})

/** Reads until `until` is passed, and views every change; positions and times are the engines' own. */
async function readEvents(
  engine: ChangeSource,
  from: Position,
  until: string,
  client: pg.Client,
): Promise<ChangeEvent[]> {
  const { signal } = new AbortController()
  const events: ChangeEvent[] = []
  await engine.prepare(from, signal)
  for await (const { data, changes, position } of engine.read(from, signal)) {
    await client.query('BEGIN')
    for (const change of changes) events.push(completed(await viewChange(client, change, data)))
    await client.query('ROLLBACK')
    if (position !== null && lsnToNumber(position.lsn) > lsnToNumber(until)) break
  }
  await engine.stop()
  return events
}

/** Two transactions that sync itself would have applied: one with a replication origin, one with a mark instead. */
async function writeFromTheOtherSide(client: pg.Client, origin: string): Promise<void> {
  await client.query('SELECT pg_replication_origin_create($1)', [origin])
  await client.query('SELECT pg_replication_origin_session_setup($1)', [origin])
  await client.query(`INSERT INTO parts VALUES (1, 'theirs', 1)`)
  await client.query('SELECT pg_replication_origin_session_reset()')
  await client.query('SELECT pg_replication_origin_drop($1)', [origin])
  await client.query('BEGIN')
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [MARK.ORIGIN, origin])
  await client.query(`INSERT INTO parts VALUES (2, 'theirs', 2)`)
  await client.query('COMMIT')
}

/** Debezium itself takes a value that was not sent from the old row, where the replica identity tells all of it. */
function completed({ before, after, ...event }: ChangeEvent): ChangeEvent {
  if (before === null || after === null) return { ...event, before, after }
  const known = ([name, value]: [string, string | null]) => [name, value === UNAVAILABLE_VALUE ? before[name] : value]
  const whole: EventRow = Object.fromEntries(Object.entries(after).map(known))
  return { ...event, before, after: event.source.table === 'logs' ? whole : after }
}

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}
