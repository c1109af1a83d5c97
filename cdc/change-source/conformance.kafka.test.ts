import { randomBytes } from 'node:crypto'
import { SECTIONS } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteTable } from '@ficus/core/sql/identifier'
import { postgresBinaries } from '@ficus/deploy/native/postgres-binaries'
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
import { SAMPLE_NAMES, SAMPLE_TYPES, samplesOf } from '../testing/type-samples.ts'
import { namesWorkload, typeWorkload } from '../testing/type-workload.ts'
import type { ChangeSource, ChangeSourceFactory } from './change-source.ts'
import { DebeziumSource } from './debezium/debezium-source.ts'
import { MARK } from './marks.ts'
import { lsnToNumber, type Position } from './position.ts'
import { PostgresSource } from './postgres/postgres-source.ts'
import { createExportedSlot, createPublication, dropSlotAndPublication } from './slot.ts'

const LARGE = `repeat(md5('large'), 200)`
const { major } = await postgresBinaries()
const SAMPLES = samplesOf(major)
const TYPES = typeWorkload(SAMPLES)
const NAMES = namesWorkload(SAMPLE_NAMES)

const SCHEMA = `
  ${SAMPLE_TYPES} ${TYPES.schema}; ${NAMES.schema};
  CREATE TABLE parts (a int, b text, n int, PRIMARY KEY (a, b));
  CREATE TABLE logs (at int NOT NULL, line text NOT NULL, large text, tags text[]);
  ALTER TABLE logs REPLICA IDENTITY FULL;
  ALTER TABLE logs ALTER large SET STORAGE EXTERNAL;
  CREATE TABLE years (id int, year int, note text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
  CREATE TABLE years_1 PARTITION OF years FOR VALUES IN (1); CREATE TABLE years_2 PARTITION OF years FOR VALUES IN (2);
`
const SYNC = parseSync({
  tables: [
    ...TYPES.tables,
    ...NAMES.tables,
    { source: 'parts', target: 'parts', key: { a: 'a', b: 'b' }, forward: { n: 'n' } },
    {
      source: 'logs',
      target: 'logs',
      key: { at: 'at', line: 'line' },
      forward: { large: 'large', tags: 'tags' },
    },
    { source: 'years', target: 'years', key: { id: 'id', year: 'year' }, forward: { note: 'note' } },
  ],
})
const TABLES = SYNC.tables.map(({ source }) => source)

/** Every kind of change, one statement a transaction but where BEGIN stands. @param first the id of its first row. */
function workload(first: number): string[] {
  return [
    ...TYPES.changes(first),
    ...NAMES.changes(first),
    `BEGIN; INSERT INTO parts VALUES (${first}, 'x', 1), (${first}, 'y', 2); UPDATE parts SET b = 'z' WHERE b = 'x' AND a = ${first};
     INSERT INTO logs VALUES (${first}, 'one', ${LARGE}, '{a}'), (${first}, 'two', NULL, '[0:0]={b}'); DELETE FROM parts WHERE b = 'y'; COMMIT`,
    `UPDATE logs SET line = 'three' WHERE line = 'one' AND at = ${first}`,
    `UPDATE logs SET tags = '{{a},{b}}' WHERE line = 'three' AND at = ${first}`,
    `DELETE FROM logs WHERE line = 'two' AND at = ${first}`,
    `INSERT INTO years VALUES (${first}, 1, 'a'); UPDATE years SET note = 'b'; UPDATE years SET year = 2 WHERE id = ${first}`,
    `BEGIN; INSERT INTO parts VALUES (0, 'rolled back', 0); ROLLBACK`,
    // Gone from the source before anybody could read its values back.
    `INSERT INTO keyed_0 (k, note, list) VALUES (9, 'gone', '{1}'); UPDATE keyed_0 SET list = '{2}' WHERE k = 9; DELETE FROM keyed_0 WHERE k = 9`,
    `INSERT INTO keyed_0 (k, note, list) VALUES (10, 'moved', '{1}'); UPDATE keyed_0 SET k = 11, list = '{2}' WHERE k = 10`,
    `DELETE FROM keyed_0 WHERE k = 11; INSERT INTO keyed_0 (k, note, list) VALUES (11, 'again', '[3:3]={3}')`,
  ]
}

const stack = kafkaStack()
const TIMEOUT = 400_000

describe.skipIf(stack === null)('both engines', () => {
  const debezium = (layout: 'single' | 'tables'): ChangeSourceFactory => {
    const topicPrefix = `conformance_${randomBytes(4).toString('hex')}`
    const topics = SECTIONS.cdc.parse({ topics: { layout } }).topics
    const [brokers, connectUrl] = [[stack?.bootstrapServers ?? ''], stack?.connectUrl ?? '']
    return options => new DebeziumSource(options, { brokers, connectUrl, topicPrefix, topics })
  }
  const engines = {
    postgres: options => new PostgresSource(options),
    debezium: debezium('single'),
    debezium_tables: debezium('tables'),
  } as const satisfies Readonly<Record<string, ChangeSourceFactory>>

  it('invariant 5: deliver equal events of the same workload, and none that the other side made', {
    timeout: TIMEOUT,
  }, async () => {
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
        events.push(await oncePossible(() => readEvents(engine, from, until, client)))
        await engine.drop()
        await dropSlotAndPublication(source, slot)
      }
      const [byPostgres = [], ...byDebezium] = events
      expect(byPostgres.length).toBeGreaterThan(SAMPLES.length * 5)
      expect(byDebezium).toHaveLength(2)
      for (const told of byDebezium) {
        const expected = byPostgres.map((event, index) => asDebeziumTells(event, told[index]))
        // As text: a column named `constructor` would confuse the comparison.
        expect(told.map(event => JSON.stringify(event))).toEqual(expected.map(event => JSON.stringify(event)))
      }
      expect(JSON.stringify(events)).not.toContain('theirs')
    })
  })

  it('invariant 3: bring equal rows into their targets', { timeout: TIMEOUT }, async () => {
    await using source = await createDatabase('conformance')
    await using byPostgres = await createDatabase('by_postgres')
    await using byDebezium = await createDatabase('by_debezium')
    await using byTables = await createDatabase('by_tables')
    const targets = { postgres: byPostgres, debezium: byDebezium, debezium_tables: byTables }
    const reading = await open(source.url)
    const writing: pg.Client[] = []
    for (const { url } of Object.values(targets)) writing.push(await open(url))
    for (const client of [reading, ...writing]) await client.query(SCHEMA)
    for (const client of writing) await client.query('ALTER TABLE logs ADD PRIMARY KEY (at, line)')
    for (const statement of workload(1)) await reading.query(statement)
    const names = ['postgres', 'debezium', 'debezium_tables'] as const
    const pipelines = names.map(engine => {
      const target = { url: targets[engine].url, name: `the target of ${engine}` }
      const ends = { source: { url: source.url, name: 'the source' }, target }
      const options = { capability: engine, direction: 'forward', ledger: LEDGER, ...ends, sync: SYNC } as const
      return {
        options,
        pipeline: new Pipeline({ ...options, engine: engines[engine], batchRows: 100, copyWorkers: 1 }),
      }
    })
    try {
      for (const { pipeline } of pipelines) {
        await pipeline.start()
        await reaches(pipeline, 'streaming', 120_000)
      }
      for (const statement of workload(10_000)) await reading.query(statement)
      for (const client of [...writing, reading]) await client.query(`ALTER TYPE mood ADD VALUE 'better'`)
      await reading.query(`INSERT INTO things (id, ${moodColumn()}) VALUES (90000, 'better')`)
      await reading.query(`INSERT INTO logs VALUES (0, 'megabytes', repeat(E'0123456\\t\\\\ü', 500000), NULL)`)
      await reading.query(`TRUNCATE years; INSERT INTO years VALUES (1, 1, 'after')`)
      for (const { options } of pipelines) await waitUntilCaughtUp({ ...options, timeoutMs: 120_000 })
      for (const name of TABLES) {
        const { table } = name
        const query = `SELECT t::text AS row FROM ${quoteTable(name)} AS t ORDER BY 1`
        const expected = (await reading.query(query)).rows
        expect(expected.length, table).toBeGreaterThan(0)
        for (const [index, client] of writing.entries()) {
          expect((await client.query(query)).rows, `${table} by ${names[index]}`).toEqual(expected)
        }
      }
    } finally {
      for (const { pipeline } of pipelines) await pipeline.drop()
      for (const client of [reading, ...writing]) await client.end()
    }
  })
})

/** As the pipeline does: a topic that was just made may have no leader yet. */
async function oncePossible<T>(read: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof FicusError && error.retry) || performance.now() > deadline) throw error
    }
  }
}

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

function moodColumn(): string {
  const mood = SAMPLES.find(({ type }) => type === 'mood')
  if (mood === undefined) throw new Error('the samples have an enum')
  return TYPES.columnOf(mood)
}

/** Columns whose values Debezium does not carry, so that its event has a placeholder for them. */
const READ_BACK = new Map<string, ReadonlySet<string>>([
  ['things', new Set(SAMPLES.filter(({ debezium }) => debezium === 'read back').map(TYPES.columnOf))],
  ['logs', new Set(['tags'])],
])
/** Column -> values that it writes like another one, and that so are read back. */
const AMBIGUOUS = new Map(SAMPLES.map(sample => [TYPES.columnOf(sample), sample.but ?? []]))

/**
 * What the engine `debezium` makes of an event of the engine `postgres`: the same, but for values that are read back.
 * @param told what it did make of it, which says of an ambiguous value whether it is read back.
 */
function asDebeziumTells(event: ChangeEvent, told: ChangeEvent | undefined): ChangeEvent {
  const { table } = event.source
  const isKeyed = table.startsWith('keyed_')
  const readBack = isKeyed ? new Set(['list']) : READ_BACK.get(table)
  const ambiguous = (column: string) => (isKeyed && column === 'at' ? ['00:00:00'] : (AMBIGUOUS.get(column) ?? []))
  const row = (of: EventRow | null, other: EventRow | null | undefined): EventRow | null => {
    if (of === null) return null
    const values = Object.entries(of).map(([column, value]) => {
      const isOther = other?.[column] === UNAVAILABLE_VALUE && value !== null && ambiguous(column).includes(value)
      return [column, readBack?.has(column) || isOther ? UNAVAILABLE_VALUE : value]
    })
    return Object.fromEntries(values)
  }
  // Only `logs` tells more of the old row than its key.
  const before = table === 'logs' ? row(event.before, told?.before) : event.before
  return { ...event, before, after: row(event.after, told?.after) }
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
