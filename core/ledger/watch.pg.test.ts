import { createDatabase, type TestDatabase } from '@ficus/deploy/testing/postgres'
import type pg from 'pg'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Phase } from '../phases/phase.ts'
import { connect } from './connection.ts'
import { Ledger } from './ledger.ts'
import { startWire } from './testing/wire.ts'
import { LedgerWatch } from './watch.ts'

let database: TestDatabase
/** Moves the capability; the watch has a ledger of its own, as in another process. */
let mover: Ledger
let beside: pg.Client
const releases: (() => Promise<void>)[] = []

beforeEach(async () => {
  database = await createDatabase('watch')
  mover = await Ledger.open(database.url, ['catalog'])
  beside = await connect(database.url, 'the ledger')
})

afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release()
  await beside.end()
  await mover.close()
  await database[Symbol.asyncDispose]()
})

const NO_POLL = 600_000

async function watching(url: string, pollMs: number) {
  const ledger = await Ledger.open(url, ['catalog'])
  releases.push(() => ledger.close())
  const told: string[] = []
  const watch = new LedgerWatch(
    ledger,
    {
      changed: capabilities => told.push(capabilities.map(({ name, phase }) => `${name} ${phase}`).join()),
      lost: error => told.push(`lost ${Object(error).code}`),
      regained: () => told.push('regained'),
    },
    { pollMs },
  )
  releases.push(() => watch.stop())
  await watch.start()
  return { watch, told }
}

async function move(to: Phase): Promise<void> {
  const { epoch } = await mover.capability('catalog')
  await mover.move({ capability: 'catalog', epoch, to, actor: 'ann', action: 'test', reason: null, evidence: {} })
}

const until = (check: () => void, timeout = 5_000) => vi.waitFor(check, { timeout, interval: 5 })

const listeners = async () =>
  (
    await beside.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'ficus ledger watch' AND datname = current_database()`,
    )
  ).rows.map(({ pid }) => pid)

it('tells the state at the start and each move within 500 ms, by notification alone', { retry: 2 }, async () => {
  const { told } = await watching(database.url, NO_POLL)
  expect(told).toEqual(['catalog legacy'])
  for (const phase of ['syncing', 'shadowing'] as const) {
    await move(phase)
    await until(() => expect(told.at(-1)).toBe(`catalog ${phase}`), 500)
  }
})

it('tells nothing when nothing moved', async () => {
  const { told } = await watching(database.url, 5)
  const { rows } = await beside.query<{ reads: string }>('SELECT 1')
  expect(rows).toHaveLength(1)
  await beside.query(`SELECT pg_notify('ficus', 'catalog')`)
  await move('syncing')
  await until(() => expect(told).toEqual(['catalog legacy', 'catalog syncing']))
})

it('many moves at once end with the last state', async () => {
  const { told } = await watching(database.url, NO_POLL)
  for (const phase of ['syncing', 'shadowing', 'canary', 'shadowing', 'syncing', 'legacy', 'syncing'] as const) {
    await move(phase)
  }
  await until(() => expect(told.at(-1)).toBe('catalog syncing'))
})

it('invariant 12: sees moves although its connections were killed, and listens again', async () => {
  const { told } = await watching(database.url, 50)
  const [pid] = await listeners()
  await beside.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'ficus ledger%'`,
  )
  await move('syncing').catch(() => move('syncing'))
  await until(() => expect(told).toContain('catalog syncing'))
  await until(async () => {
    const [again] = await listeners()
    expect(again).toEqual(expect.any(Number))
    expect(again).not.toBe(pid)
  })
})

it('invariant 12: a ledger that goes away is told once, keeps the last state, and is told when it is back', async () => {
  await using wire = await startWire(database.url)
  const { told } = await watching(wire.url, 20)
  await wire.cut()
  await until(() => expect(told).toEqual(['catalog legacy', 'lost FICUS_LEDGER_UNREACHABLE']))
  await move('syncing')
  await wire.mend()
  await until(() => expect(told.at(-1)).toBe('regained'))
  expect(told.filter(what => what.startsWith('lost'))).toHaveLength(1)
  expect(told.slice(2)).toEqual(['catalog syncing', 'regained'])
})

it('invariant 12: a ledger that hangs without a word is lost as well', async () => {
  await using wire = await startWire(database.url)
  const { told } = await watching(`${wire.url}?query_timeout=200`, 20)
  wire.freeze()
  await until(() => expect(told).toEqual(['catalog legacy', 'lost FICUS_LEDGER_UNREACHABLE']))
  await wire.cut()
})

it('stops at once and leaves no connection, even in the middle of a read', async () => {
  const { watch, told } = await watching(database.url, 1)
  await watch.stop()
  await watch.stop()
  await until(async () => expect(await listeners()).toEqual([]))
  await move('syncing')
  expect(told).toEqual(['catalog legacy'])
})
