import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { retryParked } from '../apply/retry-parked.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { addReadings, COPIES, plantedDifferences, READINGS, READINGS_SYNC } from '../testing/planted-differences.ts'
import { CAPABILITY, createHarness, LEDGER, type SyncHarness } from '../testing/sync-harness.ts'
import { type DiffOptions, type DiffReport, diffCapability } from './diff-capability.ts'
import { type RepairedTable, repairRows } from './repair.ts'

const KEY = { capability: CAPABILITY, direction: 'forward' } as const

function diff({ source, target }: SyncHarness, options: Partial<DiffOptions> = {}): Promise<DiffReport> {
  const sync = parseSync(READINGS_SYNC)
  return diffCapability({ ...KEY, source, target, sync, mode: 'recheck', timeoutMs: 40_000, ...options })
}

function repair({ source, target }: SyncHarness, { tables }: DiffReport): Promise<RepairedTable[]> {
  const sync = parseSync(READINGS_SYNC)
  return repairRows({ ...KEY, ledger: LEDGER, source, target, sync, timeoutMs: 40_000 }, tables)
}

it('invariant 3: repairs every planted difference while the same rows are written, and loses none of those writes', async () => {
  const planted = plantedDifferences(2_000)
  await using sync = await createHarness(createDatabase, `${READINGS}; ${addReadings(1, 2_000)}`, COPIES, READINGS_SYNC)
  await sync.streaming()
  await sync.onTarget(planted.map(({ sql }) => sql).join('; '))
  const report = await diff(sync)

  // Meanwhile the very rows are written: a row brought too late would undo that, one too early would meet its insert.
  let writing = true
  const writer = (async () => {
    for (let round = 0; writing; round++) {
      const { id } = planted[round % planted.length] ?? { id: 1 }
      await sync.onSource(`UPDATE readings SET note = 'round ${round}' WHERE id = $1`, [id])
      await sync.onSource('DELETE FROM readings WHERE id = $1', [id + 1])
      await sync.onSource(`INSERT INTO readings (id, label) VALUES ($1, 'again')`, [id + 1])
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  })()
  const repaired = await repair(sync, report)
  writing = false
  await writer
  expect(repaired).toMatchObject([{ source: 'public.readings', target: 'public.copies' }])
  await sync.caughtUp()
  const left = await diff(sync)
  if (!left.equal) await repair(sync, left)
  expect(await diff(sync)).toMatchObject({ equal: true })
  expect(await sync.onTarget('SELECT count(*)::int AS parked FROM ficus.parked')).toEqual([{ parked: 0 }])
})

it('deletes and brings back by the filter and by the key', async () => {
  const input = { tables: [{ ...READINGS_SYNC.tables[0], where: 'big > 0' }] } as typeof READINGS_SYNC
  await using sync = await createHarness(createDatabase, `${READINGS}; ${addReadings(1, 10)}`, COPIES, input)
  await sync.onSource('UPDATE readings SET big = -1 WHERE id = 3')
  await sync.streaming()
  await sync.onTarget(`INSERT INTO copies (copy_id) VALUES (3), (77); DELETE FROM copies WHERE copy_id = 5`)
  const parsed = parseSync(input)
  expect(flowsOf(parsed, 'forward')[0]?.where).toBe('big > 0')
  const { source, target } = sync
  const compare = () => diffCapability({ ...KEY, source, target, sync: parsed, mode: 'recheck', timeoutMs: 40_000 })
  const { tables } = await compare()
  expect(tables[0]?.differing.map(({ key, kind }) => [key.copy_id, kind]).sort()).toEqual([
    ['3', 'extra'],
    ['5', 'missing'],
    ['77', 'extra'],
  ])
  expect(await repairRows({ ...KEY, ledger: LEDGER, source, target, sync: parsed }, tables)).toMatchObject([
    { repaired: 3, left: 0, reasons: [] },
  ])
  expect(await compare()).toMatchObject({ equal: true })
})

it('more rows differ than are listed: counts the rest, and brings that when it goes on', async () => {
  await using sync = await createHarness(createDatabase, `${READINGS}; ${addReadings(1, 3_000)}`, COPIES, READINGS_SYNC)
  await sync.streaming()
  await sync.onTarget(`ANALYZE copies; UPDATE copies SET note = 'wrong' WHERE copy_id <= 1600`)
  // The last range of wrong rows is reached when the list is full: none of its rows is looked at again.
  const found = await diff(sync, { rangeRows: 500, workers: 1 })
  expect(found.tables).toMatchObject([{ compared: 3_000, equal: 1_400, unlisted: 600, undecided: 0 }])
  expect(found.tables[0]?.differing).toHaveLength(1_000)
  expect(await repair(sync, found)).toMatchObject([{ repaired: 1_000, left: 0 }])
  const rest = await diff(sync, { resume: true })
  expect(rest).toMatchObject({ equal: false, resumed: true, tables: [{ equal: 2_400, unlisted: 0 }] })
  expect(await repair(sync, rest)).toMatchObject([{ repaired: 600, left: 0 }])
  expect(await diff(sync, { resume: true })).toMatchObject({ equal: true, tables: [{ compared: 3_000 }] })
})

it('says why a row cannot be repaired, and repairs the others', async () => {
  await using sync = await createHarness(createDatabase, `${READINGS}; ${addReadings(1, 10)}`, COPIES, READINGS_SYNC)
  await sync.streaming()
  await sync.onTarget(`UPDATE copies SET note = 'wrong' WHERE copy_id IN (2, 7)`)
  await sync.onTarget(`ALTER TABLE copies ADD CONSTRAINT refused CHECK (copy_id <> 7 OR note = 'wrong')`)
  expect(await repair(sync, await diff(sync))).toMatchObject([
    { repaired: 1, left: 1, reasons: [expect.stringContaining('refused')] },
  ])
})

it('invariant 3: writes no row any more once a switch has ended the sync', async () => {
  await using sync = await createHarness(createDatabase, `${READINGS}; ${addReadings(1, 10)}`, COPIES, READINGS_SYNC)
  await sync.streaming()
  await sync.onTarget(`UPDATE copies SET note = 'the service’s own' WHERE copy_id = 2`)
  const report = await diff(sync)
  await sync.onTarget(`UPDATE ficus.progress SET state = 'ended'`)
  await expect(repair(sync, report)).rejects.toMatchObject({ code: 'FICUS_SYNC_BEHIND' })
  expect(await sync.onTarget('SELECT note FROM copies WHERE copy_id = 2')).toEqual([{ note: 'the service’s own' }])
})

it('invariant 11: leaves both keys of a parked change of the key alone, until it is applied', async () => {
  await using sync = await createHarness(createDatabase, `${READINGS}; ${addReadings(1, 10)}`, COPIES, READINGS_SYNC)
  await sync.streaming()
  await sync.onTarget('ALTER TABLE copies ADD CONSTRAINT refused CHECK (copy_id < 100)')
  await sync.onSource('UPDATE readings SET id = 107 WHERE id = 7')
  await sync.caughtUp()
  expect(await repair(sync, await diff(sync))).toMatchObject([
    { repaired: 0, left: 2, reasons: [expect.stringContaining('parked')] },
  ])
  expect(await sync.onTarget('SELECT copy_id FROM copies WHERE copy_id IN (7, 107)')).toEqual([{ copy_id: '7' }])

  await sync.onTarget('ALTER TABLE copies DROP CONSTRAINT refused')
  const { source, target } = sync
  await retryParked({ ...KEY, ledger: LEDGER, source, target, sync: parseSync(READINGS_SYNC), by: 'ada' }, 'all')
  expect(await diff(sync)).toMatchObject({ equal: true })
})

it('invariant 3: undoes nothing of a prepared transaction that sync has applied, and whose end is not visible yet', async () => {
  await using server = await startTestPostgres({ max_prepared_transactions: '2' })
  const onServer = async () => ({ url: await server.createDatabase('source'), [Symbol.asyncDispose]: async () => {} })
  const make = (prefix: string) => (prefix === 'source' ? onServer() : createDatabase(prefix))
  await using sync = await createHarness(make, `${READINGS}; ${addReadings(1, 10)}`, COPIES, READINGS_SYNC)
  // Sync itself waits for no standby, and nor does this test but for one statement.
  await sync.onSource('ALTER DATABASE source SET synchronous_commit = local; SET synchronous_commit = local')
  await sync.streaming()
  await sync.onTarget(`UPDATE copies SET note = 'wrong' WHERE copy_id = 2`)
  const report = await diff(sync)
  await sync.onSource('BEGIN')
  await sync.onSource(`UPDATE readings SET note = 'new' WHERE id = 2`)
  await sync.onSource(`PREPARE TRANSACTION 'two phases'`)
  // That one waits for a standby that does not come: committed in the log, and not visible.
  await sync.onSource(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
  await sync.onSource('SELECT pg_reload_conf()')
  const committer = new pg.Client({ connectionString: server.url('source') })
  await committer.connect()
  await committer.query('SET synchronous_commit = on')
  await vi.waitFor(
    async () =>
      expect((await committer.query('SHOW synchronous_standby_names')).rows).toEqual([
        { synchronous_standby_names: 'nobody' },
      ]),
    20_000,
  )
  const committed = committer.query(`COMMIT PREPARED 'two phases'`)
  const noteOnTarget = () => sync.onTarget('SELECT note FROM copies WHERE copy_id = 2')
  await vi.waitFor(async () => expect(await noteOnTarget()).toEqual([{ note: 'new' }]), 20_000)
  expect(await sync.onSource('SELECT note FROM readings WHERE id = 2')).not.toEqual([{ note: 'new' }])

  const repairing = repair(sync, report)
  const looksAt = `SELECT FROM pg_stat_activity WHERE query LIKE '%pg_locks%' AND pid <> pg_backend_pid()`
  await vi.waitFor(async () => expect(await sync.onSource(looksAt)).toHaveLength(1), { timeout: 20_000, interval: 2 })
  await sync.onSource('ALTER SYSTEM RESET synchronous_standby_names')
  await sync.onSource('SELECT pg_reload_conf()')
  await Promise.all([committed, repairing])
  await committer.end()
  expect(await noteOnTarget()).toEqual([{ note: 'new' }])
  expect(await diff(sync)).toMatchObject({ equal: true })
})

it('compares and repairs nothing that sync does not carry yet: rows there would stop it when it starts', async () => {
  const schema = `${READINGS}; ${addReadings(1, 10)}; CREATE TABLE tags (id int PRIMARY KEY); INSERT INTO tags VALUES (1)`
  await using sync = await createHarness(
    createDatabase,
    schema,
    `${COPIES}; CREATE TABLE marks (id int PRIMARY KEY)`,
    READINGS_SYNC,
  )
  const pipeline = await sync.streaming()
  const [readings] = READINGS_SYNC.tables
  if (readings === undefined) throw new TypeError('it is there')
  const tags = { source: 'tags', target: 'marks', key: { id: 'id' }, forward: {} }
  const compare = (...tables: SyncInput['tables']) =>
    diffCapability({ ...KEY, source: sync.source, target: sync.target, sync: parseSync({ tables }), timeoutMs: 40_000 })
  const refused = (named: string) => ({
    code: 'FICUS_SYNC_BEHIND',
    message: expect.stringContaining(named),
    remedy: expect.stringContaining('Restart sync'),
  })
  await expect(compare(readings, tags)).rejects.toMatchObject(refused('public.marks (added)'))
  const changed = { ...readings, forward: { ...readings.forward, note: 'upper(note)' } }
  await expect(compare(changed)).rejects.toMatchObject(refused('public.copies (its mapping has changed)'))
  await pipeline.stop()
  await sync.streaming({ sync: parseSync({ tables: [readings, tags] }) })
  await sync.caughtUp()
  await vi.waitFor(async () => expect(await compare(readings, tags)).toMatchObject({ equal: true }), 20_000)
})
