import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { ERROR_CODES } from '@ficus/core/errors/codes'
import { openFlagAdmin } from '@ficus/core/flags/open-flag-admin'
import { freePort } from '@ficus/deploy/native/free-port'
import { startTestPostgres, withWrongPassword } from '@ficus/deploy/testing/postgres'
import { startTestUnleash } from '@ficus/deploy/testing/unleash'
import { describe, expect, inject, it } from 'vitest'
import { runCli } from '../testing/cli.ts'
import { runInHost } from '../testing/host.ts'
import {
  CAPABILITY,
  createMigration,
  runSql,
  SOURCE_SQL,
  type TestMigration,
  type TestMigrationOptions,
} from '../testing/migration.ts'
import { startSync } from '../testing/sync.ts'
import { createFlags, flagsOf } from './flag-server.ts'

/** A migration whose flags are there. */
async function readyMigration(options?: TestMigrationOptions): Promise<TestMigration> {
  const migration = await createMigration(options)
  const loaded = await migration.load()
  await createFlags(openFlagAdmin(loaded.migration.flags, loaded), flagsOf([CAPABILITY]))
  return migration
}

async function check(migration: TestMigration, ...args: string[]) {
  const { code, stdout } = await runInHost('check', '--config', migration.configFile, ...args)
  return { code, text: stdout }
}

/** What `ficus check` lists: its exit code, and `where: problem` -> remedy. */
async function problemsOf(migration: TestMigration) {
  const { code, stdout } = await runInHost('check', '--json', '--config', migration.configFile)
  const { problems }: { problems: { where: string; problem: string; remedy: string }[] } = JSON.parse(stdout)
  return {
    code,
    problems: Object.fromEntries(problems.map(({ where, problem, remedy }) => [`${where}: ${problem}`, remedy])),
  }
}

it('finds nothing wrong where nothing is, says what it looked at, and changes neither side', async () => {
  await using migration = await readyMigration()
  const { code, text } = await check(migration)
  expect(code).toBe(0)
  expect(text).toMatch(/^ok {2}config {2}.*ficus\.config\.ts$/m)
  expect(text).toMatch(/^ok {2}ledger {2}notes is legacy$/m)
  expect(text).toMatch(/^ok {2}flags {2}file at flags\.json, 3 flags$/m)
  expect(text).toMatch(/^ok {2}monolith {2}http:.*, version 1\.0$/m)
  expect(text).toMatch(/^ok {2}notes: service {2}http:.*, version 7, ready$/m)
  expect(text).toMatch(/^ok {2}notes: source {2}PostgreSQL 18\.\d+, wal_level logical, \d+ of \d+ slots free$/m)
  expect(text).toMatch(/^ok {2}notes: target {2}PostgreSQL 18\.\d+, 1 table$/m)
  expect(text).toMatch(/^ok {2}notes: mapping {2}1 table mapped$/m)
  expect(text).toContain('No problem found.')
  expect(await migration.run('source', 'SELECT pubname FROM pg_publication')).toEqual([])
  expect(await migration.run('target', `SELECT to_regnamespace('ficus')::text AS schema`)).toEqual([{ schema: null }])
})

it('notes a build that does not tell its version, which is no problem', async () => {
  await using migration = await readyMigration()
  migration.service.version = null
  const { code, text } = await check(migration)
  expect(code).toBe(0)
  expect(text).toMatch(
    /notes\.service\.health: note: http:.*\/health does not say which version runs\n +Answer \{"version"/,
  )
  expect(text).not.toContain('monolith.health: note')
  expect(text).toContain('No problem found.')
})

describe('invariant 13: the engine debezium', () => {
  it('Kafka and Kafka Connect that are not there: 3, each told', async () => {
    const [kafka, connect] = [await freePort(), await freePort()]
    const brokers = [`127.0.0.1:${kafka}`]
    const cdc = { engine: 'debezium' as const, kafka: { brokers }, connect: { url: `http://127.0.0.1:${connect}` } }
    await using migration = await readyMigration({ sections: { cdc } })
    const { code, problems } = await problemsOf(migration)
    expect(code).toBe(3)
    const remedy = ERROR_CODES.FICUS_KAFKA_UNREACHABLE.remedy
    expect(problems).toEqual({
      [`cdc.kafka.brokers: no broker answers at 127.0.0.1:${kafka}: connect ECONNREFUSED 127.0.0.1:${kafka}`]: remedy,
      [`cdc.connect.url: Kafka Connect at http://127.0.0.1:${connect} does not answer: connect ECONNREFUSED 127.0.0.1:${connect}`]:
        remedy,
    })
  })

  it('a Kafka Connect that lacks the connector, and one broker of two that is away', async () => {
    const away = `127.0.0.1:${await freePort()}`
    const connect = createServer((_request, response) => response.end('[{"class": "org.apache.Other"}]'))
    connect.listen(0, '127.0.0.1')
    await once(connect, 'listening')
    try {
      const address = connect.address()
      const here = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
      const cdc = {
        engine: 'debezium' as const,
        kafka: { brokers: [away, here] },
        connect: { url: `http://${here}` },
      }
      await using migration = await readyMigration({ sections: { cdc } })
      const { code, text } = await check(migration)
      expect(code).toBe(3)
      expect(text).toMatch(/^ok {2}kafka {2}1 of 2 brokers answers\n +cdc\.kafka\.brokers: note: .*ECONNREFUSED/m)
      expect(text).toMatch(/^no {2}kafka connect .*\n +cdc\.connect\.url: Kafka Connect .* lacks .*PostgresConnector/m)

      await migration.run('source', 'ALTER TABLE notes DROP CONSTRAINT notes_pkey, ALTER id TYPE money USING id::money')
      await migration.run('source', 'ALTER TABLE notes ADD PRIMARY KEY (id)')
      await migration.run('target', 'ALTER TABLE memos ALTER memo_id TYPE money USING memo_id::money')
      const refused = await check(migration)
      expect(refused.text).toContain('the engine debezium cannot carry public.notes: its key has id')
      expect(refused.text).toContain(`Set cdc.engine to 'postgres'`)
    } finally {
      connect.close()
    }
  })
})

it('shows the SQL that the mapping becomes', async () => {
  await using migration = await readyMigration({
    sync: `export default {
      tables: [{ source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'upper(title)' } }],
      back: [{ source: 'memos', target: 'notes', key: { memo_id: 'id' }, forward: { title: 'lower(heading)' } }],
    }`,
  })
  const { code, text } = await check(migration, '--sql')
  expect(code).toBe(0)
  expect(text).toMatch(/^-- notes: public\.notes -> public\.memos: copy, on the source\n.*upper\(title\)/m)
  for (const what of ['insert', 'update', 'delete']) {
    expect(text).toContain(`-- notes: public.notes -> public.memos: ${what}, on the target`)
    expect(text).toContain(`-- notes: public.memos -> public.notes: ${what}, on the target`)
  }
  expect(text).not.toContain('public.memos -> public.notes: copy')
})

describe('invariant 13: the databases', () => {
  it('wal_level=replica', async () => {
    await using cluster = await startTestPostgres({ wal_level: 'replica' })
    const source = await cluster.createDatabase('old')
    await runSql(source, SOURCE_SQL)
    await using migration = await readyMigration({ urls: { source } })
    const { code, text } = await check(migration)
    expect(code).toBe(2)
    expect(text).toMatch(/^no {2}notes: source {2}PostgreSQL 18\.\d+, wal_level replica/m)
    expect(text).toContain('monolith.database.url: wal_level is replica, which does not carry row changes')
    expect(text).toContain('ALTER SYSTEM SET wal_level = logical; then restart the server.')
    expect(text).toContain('1 problem found.')
  })

  it('a table without a primary key, and a replica identity that tells nothing', async () => {
    await using migration = await readyMigration()
    await migration.run('source', 'ALTER TABLE notes DROP CONSTRAINT notes_pkey')
    expect(await problemsOf(migration)).toEqual({
      code: 2,
      problems: {
        'capabilities.notes.sync tables[0].key: public.notes has no replica identity (it has no primary key): once published, PostgreSQL would refuse its updates and deletes':
          'Add a primary key, or run ALTER TABLE public.notes REPLICA IDENTITY FULL.',
      },
    })
    await migration.run('source', 'ALTER TABLE notes ADD PRIMARY KEY (id); ALTER TABLE notes REPLICA IDENTITY NOTHING')
    expect(Object.keys((await problemsOf(migration)).problems)).toEqual([expect.stringContaining('(it is NOTHING)')])
  })

  it('rights that the user of an address lacks', async () => {
    await using tables = await createMigration()
    const user = `reader_${randomBytes(4).toString('hex')}`
    await tables.run('source', `CREATE ROLE ${user} LOGIN PASSWORD 'p'`)
    try {
      const as = (url: string) => Object.assign(new URL(url), { username: user, password: 'p' }).href
      const urls = { source: as(tables.urls.source), target: as(tables.urls.target) }
      await using migration = await readyMigration({ urls })
      const { code, problems } = await problemsOf(migration)
      expect(code).toBe(2)
      const [old, fresh] = Object.values(urls).map(url => new URL(url).pathname.slice(1))
      const target = 'capabilities.notes.service.database'
      expect(problems).toEqual({
        [`monolith.database.url: user ${user} may not replicate`]: `ALTER ROLE "${user}" REPLICATION;`,
        [`monolith.database.url: user ${user} may not create a publication`]: `GRANT CREATE ON DATABASE "${old}" TO "${user}";`,
        [`monolith.database: user ${user} may not read public.notes`]: `GRANT SELECT ON "public"."notes" TO "${user}";`,
        [`monolith.database: public.notes belongs to postgres; user ${user} cannot publish its changes`]: `GRANT "postgres" TO "${user}"; or let the owner be the user of the address.`,
        [`${target}: user ${user} may not create the schema in which sync keeps its position`]: `GRANT CREATE ON DATABASE "${fresh}" TO "${user}";`,
        [`${target}: user ${user} may not write public.memos`]: `GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."memos" TO "${user}";`,
        'capabilities.notes.sync tables[0].forward.heading: fails on the source: permission denied for table notes':
          'GRANT what the message names to the user of sync.',
      })
    } finally {
      await tables.run('source', `DROP ROLE ${user}`)
    }
  })

  it('one that is down, and one that refuses the password: 3, and the rest is looked at all the same', async () => {
    const port = await freePort()
    const target = withWrongPassword(inject('postgresUrl'))
    await using migration = await readyMigration({ urls: { source: `postgres://a:b@127.0.0.1:${port}/shop`, target } })
    await migration.service.stop()
    const { code, text } = await check(migration)
    expect(code).toBe(3)
    expect(text).toMatch(/monolith\.database\.url: the monolith's database at .*:\d+\/shop cannot be reached/)
    expect(text).toMatch(
      /notes\.service\.database\.url: notes's database at .* refused: password authentication failed/,
    )
    expect(text).toContain("capabilities.notes.service.url: notes's service does not answer")
    expect(text).toContain('3 problems found.')
  })

  it('the ledger down: told with what else is wrong', async () => {
    const port = await freePort()
    await using migration = await readyMigration({ urls: { ledger: `postgres://a:b@127.0.0.1:${port}/ledger` } })
    migration.service.ready = false
    const { code, text } = await check(migration)
    expect(code).toBe(3)
    expect(text).toContain('ledger.url: the ledger at')
    expect(text).toContain("notes's service answers 503")
  })

  it('a target that holds rows before the first copy', async () => {
    await using migration = await readyMigration()
    await migration.run('target', `INSERT INTO memos VALUES (1, 'mine')`)
    expect(await problemsOf(migration)).toEqual({
      code: 2,
      problems: {
        'capabilities.notes.service.database: public.memos holds rows already':
          'Remove them from "public"."memos" if nobody needs them. The first copy overwrites nothing.',
      },
    })
  })
})

describe('invariant 13: the mapping', () => {
  it('every table, column and expression that does not fit, at once', async () => {
    await using migration = await readyMigration({
      sync: `export default { tables: [
        { source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'upper(titel)' } },
        { source: 'notes', target: 'labels', key: { id: 'label_id' }, forward: {} },
        { source: 'tags', target: 'marks', key: { id: 'id' }, forward: {} },
      ], back: [
        { source: 'memos', target: 'notes', key: { memo_id: 'id' }, forward: { title: 'lower(haeding)' } },
      ] }`,
    })
    await migration.run('target', 'CREATE TABLE labels (label_id int PRIMARY KEY, text text NOT NULL)')
    const { code, problems } = await problemsOf(migration)
    expect(code).toBe(2)
    expect(Object.keys(problems)).toEqual([
      expect.stringMatching(/sync tables\[0\]\.forward\.heading: fails on the source: column "titel" does not exist/),
      expect.stringMatching(/sync tables\[1\]\.forward: public\.labels\.text is NOT NULL without a default/),
      expect.stringMatching(/sync tables\[2\]\.source: there is no table public\.tags/),
      expect.stringMatching(/sync tables\[2\]\.target: there is no table public\.marks/),
      expect.stringMatching(/sync back\[0\]\.forward\.title: fails on the source: column "haeding" does not exist/),
    ])
  })

  it('both ways: the types and the SQL of `reverse` too', async () => {
    const table = (reverse: string) =>
      `{ source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'title' }, reverse: { ${reverse} } }`
    await using migration = await readyMigration({
      sync: `export default { tables: [${table(`title: 'lower(heading)', pages: 'heading'`)}] }`,
    })
    await migration.run('source', 'ALTER TABLE notes ADD pages int')
    const { code, text } = await check(migration, '--sql')
    expect(code).toBe(2)
    expect(text).toMatch(/sync tables\[0\]\.reverse\.pages: does not fit integer: /)
    expect(text).toMatch(/-- notes: public\.memos -> public\.notes: update, on the target\n.*lower\(heading\)/)
  })

  it('what a sync that carries rows would not go on with: a table taken out, one added that holds rows', async () => {
    await using migration = await readyMigration()
    await migration.run('source', 'CREATE TABLE tags (id int PRIMARY KEY)')
    await migration.run('target', 'CREATE TABLE marks (id int PRIMARY KEY)')
    {
      await using _sync = await startSync(migration)
      const started = await runInHost('start', CAPABILITY, '--wait', '--config', migration.configFile)
      expect(started).toMatchObject({ code: 0 })
    }
    const notes = `{ source: 'notes', target: 'memos', key: { id: 'memo_id' }, forward: { heading: 'upper(title)' } }`
    const tags = `{ source: 'tags', target: 'marks', key: { id: 'id' }, forward: {} }`
    const checked = async (tables: string) => {
      await migration.writeSync(`export default { tables: [${tables}] }`)
      const { code, stdout } = await runCli(['check', '--json'], migration.directory)
      const { problems }: { problems: { where: string; problem: string }[] } = JSON.parse(stdout)
      return [code, problems.map(({ where, problem }) => `${where}: ${problem}`)]
    }
    expect(await checked(`${notes}, ${tags}`)).toEqual([0, []])
    expect(await checked(tags)).toEqual([
      2,
      [expect.stringContaining('capabilities.notes.sync: the sync file no longer fills public.memos')],
    ])
    await migration.run('target', 'INSERT INTO marks VALUES (1)')
    expect(await checked(`${notes}, ${tags}`)).toEqual([
      2,
      [expect.stringMatching(/^capabilities\.notes\.sync: public\.marks .* holds rows already/)],
    ])
  })

  it('a file that is no mapping, and one that is not there', async () => {
    await using migration = await readyMigration({
      sync: `export default { tables: [{ source: 'notes', target: 'memos', key: {}, forwards: {} }] }`,
    })
    const { code, problems } = await problemsOf(migration)
    expect(code).toBe(2)
    expect(Object.keys(problems)).toContain('capabilities.notes.sync tables[0].forwards: unknown setting')

    await using other = await readyMigration()
    await rm(join(other.directory, 'sync.mjs'))
    expect(Object.keys((await problemsOf(other)).problems)).toEqual([expect.stringContaining('cannot be imported')])
  })
})

it('invariant 13: a route that two capabilities claim', async () => {
  const service = { url: 'http://127.0.0.1:1', database: { url: 'postgres://a:b@127.0.0.1:1/memos' } }
  await using migration = await createMigration({
    others: { memos: { service, routes: ['ANY /notes'], sync: 's.ts' } },
  })
  const { code, stderr } = await runInHost('check', '--config', migration.configFile)
  expect(code).toBe(2)
  expect(stderr).toContain(
    'capabilities.memos.routes[0]: ANY /notes is claimed by capabilities.notes.routes[0] already, with GET /notes',
  )
  expect(stderr).toContain('Leave these requests to one route.')
})

it('invariant 13: pacts that are nowhere', async () => {
  const provider = { url: 'http://127.0.0.1:1' }
  const contracts = { pacts: 'pacts', monolith: provider, service: provider }
  await using migration = await readyMigration({ capability: { contracts } })
  expect(await check(migration)).toMatchObject({
    code: 2,
    text: expect.stringContaining('capabilities.notes.contracts.pacts: there is no folder'),
  })
})

describe('invariant 13: a flag that is missing', () => {
  it('in the flag file: `--fix` creates it at 0 % and leaves the others as they are', async () => {
    await using migration = await createMigration()
    const { code, problems } = await problemsOf(migration)
    expect(code).toBe(2)
    expect(problems).toEqual(
      Object.fromEntries(
        ['read', 'shadow', 'write'].map(dial => [
          `flags.json: flag ficus.notes.${dial} is missing`,
          'Run `ficus check --fix`, which creates it at 0 %.',
        ]),
      ),
    )
    const control = await migration.control()
    await control.flagAdmin.set(new Map([['ficus.notes.shadow', 40]]))
    expect(await check(migration, '--fix')).toMatchObject({
      code: 0,
      text: expect.stringContaining('created ficus.notes.read, ficus.notes.write at 0 %'),
    })
    expect(await migration.dials()).toEqual({ read: 0, shadow: 40, write: 0 })
    expect(await problemsOf(migration)).toEqual({ code: 0, problems: {} })
  })

  it('in Unleash, whose tokens are both looked at', async () => {
    await using server = await startTestUnleash()
    const { url, clientToken: token, adminToken } = server
    const withFlags = (tokens: Partial<Record<'token' | 'adminToken', string>>) =>
      createMigration({ sections: { flags: { provider: 'unleash', url, token, adminToken, ...tokens } } })
    await using migration = await withFlags({})
    expect(Object.keys((await problemsOf(migration)).problems)).toContain(`${url}: flag ficus.notes.read is missing`)
    expect(await check(migration, '--fix')).toMatchObject({ code: 0 })
    expect(await problemsOf(migration)).toEqual({ code: 0, problems: {} })

    for (const setting of ['token', 'adminToken']) {
      await using refused = await withFlags({ [setting]: '*:development.wrong' })
      const { code, text } = await check(refused)
      expect(code).toBe(3)
      expect(text).toMatch(new RegExp(`flags: .*flags\\.${setting}`))
    }
  })
})
