import { createDatabase, type TestDatabase } from '@ficus/deploy/testing/postgres'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PHASES, type Phase } from '../phases/phase.ts'
import { connect } from './connection.ts'
import { Ledger, type MoveRequest } from './ledger.ts'
import { startWire } from './testing/wire.ts'

let database: TestDatabase
let ledger: Ledger
/** A connection beside the ledger's own, to look and to interfere. */
let beside: pg.Client

beforeEach(async () => {
  database = await createDatabase('ledger')
  ledger = await Ledger.open(database.url, ['catalog', 'orders'])
  beside = await connect(database.url, 'the ledger')
})

afterEach(async () => {
  await beside.end()
  await ledger.close()
  await database[Symbol.asyncDispose]()
})

const moveTo = (to: Phase, epoch: number, over: Partial<MoveRequest> = {}): MoveRequest => ({
  capability: 'catalog',
  epoch,
  to,
  actor: 'ann',
  action: 'advance',
  reason: null,
  evidence: { gates: ['data'] },
  ...over,
})

describe('opening', () => {
  it('creates the schema and each capability once, however many processes start at the same time', async () => {
    await using empty = await createDatabase('ledger')
    const ledgers = await Promise.all(Array.from({ length: 12 }, () => Ledger.open(empty.url, ['catalog', 'orders'])))
    try {
      expect(await ledgers[0]?.capabilities()).toEqual([
        { name: 'catalog', phase: 'legacy', owner: 'monolith', epoch: 0, phaseSince: expect.any(Date) },
        { name: 'orders', phase: 'legacy', owner: 'monolith', epoch: 0, phaseSince: expect.any(Date) },
      ])
    } finally {
      await Promise.all(ledgers.map(opened => opened.close()))
    }
  })

  it('keeps what is there, adds what is new, and brings an older schema up to date', async () => {
    await ledger.move(moveTo('syncing', 0))
    await beside.query(`DROP TABLE ficus.edge; COMMENT ON SCHEMA ficus IS 'an older version'`)
    const again = await Ledger.open(database.url, ['catalog', 'stock'])
    expect((await again.capabilities()).map(({ name, phase }) => [name, phase])).toEqual([
      ['catalog', 'syncing'],
      ['orders', 'legacy'],
      ['stock', 'legacy'],
    ])
    expect(await again.liveEdges(60)).toEqual([])
    await again.close()
  })

  it('does not wait for a table that somebody works on', async () => {
    await beside.query('BEGIN; SELECT * FROM ficus.capability FOR UPDATE')
    const again = await Ledger.open(database.url, ['catalog'])
    await again.close()
    await beside.query('ROLLBACK')
  })

  it('invariant 13: says that the ledger is down, refuses the password, or is not there', async () => {
    await expect(Ledger.open('postgres://ficus@127.0.0.1:1/ficus', [])).rejects.toMatchObject({
      code: 'FICUS_LEDGER_UNREACHABLE',
      message: expect.stringContaining('the ledger at postgres://ficus@127.0.0.1:1/ficus cannot be reached'),
      exitCode: 3,
    })
    for (const [change, says] of [
      [{ username: 'nobody', password: 'wrong' }, 'password authentication failed'],
      [{ username: 'nobody', password: '' }, 'password'],
      [{ pathname: '/nowhere' }, 'database "nowhere" does not exist'],
    ] as const) {
      const url = new URL(database.url)
      Object.assign(url, change)
      const opening = Ledger.open(url.href, [])
      await expect(opening).rejects.toMatchObject({
        code: 'FICUS_DATABASE_REFUSED',
        message: expect.stringContaining(says),
      })
      await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining('wrong@') })
    }
  })

  it('invariant 13: says that the ledger’s database takes no connections', async () => {
    await using closed = await createDatabase('ledger')
    await beside.query(`ALTER DATABASE ${closed.name} ALLOW_CONNECTIONS false`)
    await expect(Ledger.open(closed.url, [])).rejects.toMatchObject({
      code: 'FICUS_DATABASE_REFUSED',
      message: expect.stringContaining('is not currently accepting connections'),
    })
  })
})

describe('moving', () => {
  it('changes phase, owner and epoch, and writes the journal with who, what, when and on what evidence', async () => {
    const before = await ledger.capability('catalog')
    const after = await ledger.move(moveTo('syncing', 0, { reason: 'the first one' }))
    expect(after).toEqual({
      name: 'catalog',
      phase: 'syncing',
      owner: 'monolith',
      epoch: 1,
      phaseSince: expect.any(Date),
    })
    expect(after.phaseSince.getTime()).toBeGreaterThanOrEqual(before.phaseSince.getTime())
    expect(await ledger.capability('catalog')).toEqual(after)
    expect(await ledger.capability('orders')).toMatchObject({ phase: 'legacy', epoch: 0 })
    expect(await ledger.journal({ capability: 'catalog' })).toEqual([
      {
        id: 1,
        at: expect.any(Date),
        capability: 'catalog',
        actor: 'ann',
        action: 'advance',
        fromPhase: 'legacy',
        toPhase: 'syncing',
        epoch: 1,
        reason: 'the first one',
        evidence: { gates: ['data'] },
      },
    ])
  })

  it('invariant 1: the owner follows the phase', async () => {
    const owners: string[] = []
    for (const [epoch, to] of PHASES.entries()) {
      const { owner } = await ledger.move(moveTo(to, epoch))
      owners.push(owner)
    }
    expect(owners).toEqual(['monolith', 'monolith', 'monolith', 'monolith', 'service', 'service'])
  })

  it('is refused on a stale epoch, and nothing is written', async () => {
    await ledger.move(moveTo('syncing', 0))
    await expect(ledger.move(moveTo('shadowing', 0))).rejects.toMatchObject({
      code: 'FICUS_LEASE_HELD',
      message: 'catalog was moved to syncing by somebody else meanwhile',
    })
    expect(await ledger.capability('catalog')).toMatchObject({ phase: 'syncing', epoch: 1 })
    expect(await ledger.journal()).toHaveLength(1)
  })

  it('of many at once exactly one wins', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, actor) => ledger.move(moveTo('syncing', 0, { actor: `operator-${actor}` }))),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'FICUS_LEASE_HELD' })
    }
    expect(await ledger.capability('catalog')).toMatchObject({ epoch: 1 })
    expect(await ledger.journal()).toHaveLength(1)
  })

  it.each(['ended by the server', 'cut'])(
    'is neither done nor journalled when its connection is %s in the middle, and the process goes on',
    async how => {
      await using wire = await startWire(database.url)
      const far = await Ledger.open(wire.url, ['catalog'])
      const locker = await connect(database.url, 'the ledger')
      await locker.query('BEGIN; SELECT * FROM ficus.capability FOR UPDATE')
      const refused = expect(far.move(moveTo('syncing', 0))).rejects.toMatchObject({
        code: 'FICUS_LEDGER_UNREACHABLE',
        retry: true,
      })
      const pid = await vi.waitFor(() => blockedBackend(), { timeout: 5_000 })
      if (how === 'cut') await wire.cut()
      await beside.query('SELECT pg_terminate_backend($1)', [pid])
      await refused
      await locker.end()
      await far.close()
      expect(await ledger.capability('catalog')).toMatchObject({ phase: 'legacy', epoch: 0 })
      expect(await ledger.journal()).toEqual([])
    },
  )
})

async function blockedBackend(): Promise<number | undefined> {
  const { rows } = await beside.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'`,
  )
  expect(rows).toHaveLength(1)
  return rows[0]?.pid
}

describe('the journal', () => {
  it('keeps notes beside moves, newest last, as many as asked for', async () => {
    const evidence = { 'ficus.catalog.read': 25 }
    await ledger.move(moveTo('syncing', 0))
    await ledger.note({ capability: 'catalog', actor: 'bob', action: 'route', reason: 'slowly', evidence })
    await ledger.note({ capability: 'orders', actor: 'bob', action: 'verify', reason: null, evidence: {} })
    const entries = await ledger.journal()
    expect(entries.map(({ action, capability, epoch }) => [action, capability, epoch])).toEqual([
      ['advance', 'catalog', 1],
      ['route', 'catalog', 1],
      ['verify', 'orders', 0],
    ])
    expect(entries[1]).toMatchObject({ actor: 'bob', fromPhase: null, toPhase: null, reason: 'slowly', evidence })
    expect((await ledger.journal({ capability: 'catalog', limit: 1 })).map(({ action }) => action)).toEqual(['route'])
  })

  it.each(['UPDATE ficus.journal SET actor = $$eve$$', 'DELETE FROM ficus.journal', 'TRUNCATE ficus.journal'])(
    'is append-only: %s is refused by the database',
    async sql => {
      await ledger.move(moveTo('syncing', 0))
      const entries = await ledger.journal()
      await expect(beside.query(sql)).rejects.toThrow('the journal is append-only')
      expect(await ledger.journal()).toEqual(entries)
    },
  )
})

it('invariant 13: names a capability that it does not know, whatever was wanted with it', async () => {
  const gate = { gate: 'data', verdict: 'pass', summary: '', evidence: {}, versions: {} } as const
  const note = { capability: 'nope', actor: 'ann', action: 'route', reason: null, evidence: {} }
  for (const wanted of [
    () => ledger.capability('nope'),
    () => ledger.move(moveTo('syncing', 0, { capability: 'nope' })),
    () => ledger.note(note),
    () => ledger.takeLease('nope', 'ann', 1_000),
    () => ledger.recordGate('nope', gate),
  ]) {
    await expect(wanted()).rejects.toMatchObject({ code: 'FICUS_CAPABILITY_UNKNOWN', exitCode: 2 })
  }
})

describe('leases', () => {
  it('are one holder’s until they are released', async () => {
    await ledger.takeLease('catalog', 'ann', 60_000)
    await ledger.takeLease('catalog', 'ann', 60_000)
    await ledger.takeLease('orders', 'bob', 60_000)
    await expect(ledger.takeLease('catalog', 'bob', 60_000)).rejects.toMatchObject({
      code: 'FICUS_LEASE_HELD',
      message: expect.stringMatching(/^catalog is being moved by ann, whose lease runs out in (59|60) s$/),
    })
    await ledger.releaseLease('catalog', 'bob')
    await expect(ledger.takeLease('catalog', 'bob', 60_000)).rejects.toMatchObject({ code: 'FICUS_LEASE_HELD' })
    await ledger.releaseLease('catalog', 'ann')
    await ledger.takeLease('catalog', 'bob', 60_000)
  })

  it('of many who ask at once one gets it', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, holder) => ledger.takeLease('catalog', `operator-${holder}`, 60_000)),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('run out, and renewing makes them last', async () => {
    await ledger.takeLease('catalog', 'ann', 50)
    await vi.waitFor(() => ledger.takeLease('catalog', 'bob', 60_000), { timeout: 5_000, interval: 10 })
    await expect(ledger.takeLease('catalog', 'ann', 50)).rejects.toMatchObject({
      message: expect.stringContaining('by bob'),
    })
    await ledger.takeLease('orders', 'ann', 50)
    await ledger.takeLease('orders', 'ann', 60_000)
    const { rows } = await beside.query(`SELECT expires_at > now() + interval '50 s' AS lasts FROM ficus.lease
                                         WHERE capability = 'orders'`)
    expect(rows).toEqual([{ lasts: true }])
  })
})

describe('gate results', () => {
  it('invariant 9: the latest of each gate is kept with its versions, its evidence and its time', async () => {
    const result = (gate: string, verdict: 'pass' | 'fail' | 'inconclusive', service: string) => ({
      gate,
      verdict,
      summary: `${gate} is ${verdict}`,
      evidence: { rows: 10 },
      versions: { service },
    })
    const first = await ledger.recordGate('catalog', result('data', 'fail', '1.0'))
    await ledger.recordGate('catalog', result('lag', 'inconclusive', '1.0'))
    await ledger.recordGate('orders', result('load', 'pass', '9.0'))
    const last = await ledger.recordGate('catalog', result('data', 'pass', '1.1'))
    expect(last.measuredAt.getTime()).toBeGreaterThanOrEqual(first.measuredAt.getTime())
    const latest = await ledger.latestGates('catalog')
    expect([...latest.keys()]).toEqual(['data', 'lag'])
    expect(latest.get('data')).toEqual({ id: last.id, measuredAt: last.measuredAt, ...result('data', 'pass', '1.1') })
    expect(latest.get('lag')).toMatchObject({ verdict: 'inconclusive' })
  })
})
