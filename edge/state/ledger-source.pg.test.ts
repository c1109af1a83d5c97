import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@ficus/core/ledger/connection'
import { Ledger } from '@ficus/core/ledger/ledger'
import type { Phase } from '@ficus/core/phases/phase'
import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { startEdge, type TestEdge } from '../testing/edge.ts'
import { startNamed } from '../testing/upstream.ts'
import { send, until } from '../testing/wire.ts'
import { LedgerSource } from './ledger-source.ts'

const NAMES = ['catalog']

async function move(ledger: Ledger, ...path: Phase[]): Promise<void> {
  for (const to of path) {
    const { epoch } = await ledger.capability('catalog')
    const request = { capability: 'catalog', epoch, to, actor: 'test', action: 'advance', reason: null, evidence: {} }
    await ledger.move(request)
  }
}

const side = async (edge: TestEdge, agent?: Agent) =>
  (await send(`${edge.url}/items/1`, agent === undefined ? {} : { agent })).headers['x-ficus-side']
const ready = async (edge: TestEdge) => JSON.parse((await send(`${edge.managementUrl}/ready`)).text)

describe('the edge and the ledger', () => {
  it('follows a move without a restart and without an error', async () => {
    await using database = await createDatabase('edge')
    await using upstream = await startNamed('any')
    const ledger = await Ledger.open(database.url, NAMES)
    const source = new LedgerSource(database.url, NAMES)
    await using edge = await startEdge({ monolith: upstream.url, source })
    const agent = new Agent({ keepAlive: true })
    const statuses = new Set<number>()
    let stop = false
    const traffic = (async () => {
      while (!stop) statuses.add((await send(`${edge.url}/items/1`, { agent })).status)
    })()

    expect(await side(edge)).toBe('monolith')
    await move(ledger, 'syncing', 'shadowing', 'canary', 'extracted')
    await until('reads go to the service', async () => (await side(edge)) === 'service')
    await move(ledger, 'canary')
    await until('reads come back', async () => (await side(edge)) === 'monolith')

    stop = true
    await traffic
    expect([...statuses]).toEqual([200])
    expect((await ready(edge)).capabilities.catalog).toEqual({ phase: 'canary', owner: 'monolith', epoch: 5 })
    agent.destroy()
    await ledger.close()
  })

  it('reports traffic, comparisons and the epoch that it acts on', async () => {
    await using database = await createDatabase('edge')
    await using monolith = await startNamed('monolith')
    await using service = await startNamed('service')
    const ledger = await Ledger.open(database.url, NAMES)
    await move(ledger, 'syncing', 'shadowing')
    const source = new LedgerSource(database.url, NAMES)
    const startedAt = new Date()
    await using edge = await startEdge({
      monolith: monolith.url,
      service: service.url,
      source,
      id: 'edge-1',
      dials: { shadow: 100 },
    })
    for (let i = 0; i < 5; i += 1) await side(edge)

    await until('all is reported', async () => {
      const [shadow] = await ledger.shadow('catalog', { epoch: 2 })
      return shadow?.mismatched === 5
    })
    expect(await ledger.traffic('catalog', startedAt)).toEqual({
      monolith: { requests: 5, errors: 0 },
      service: { requests: 0, errors: 0 },
    })
    const [shadow] = await ledger.shadow('catalog', { epoch: 2 })
    expect(shadow).toMatchObject({ route: 'GET /items/:id', matched: 0, ignored: 0 })
    expect(shadow?.example).toMatchObject({
      differences: [{ path: 'name', control: '"monolith"', candidate: '"service"' }],
    })
    await ledger.close()
  })

  it('invariant 12: starts without the ledger, follows it once it is there, and goes on when it is gone', async () => {
    await using server = await startTestPostgres()
    const url = await server.createDatabase('ledger')
    await server.kill('SIGKILL')
    await using upstream = await startNamed('any')
    const folder = await mkdtemp(join(tmpdir(), 'ficus-edge-'))
    const stateFile = join(folder, 'routing.json')
    const options = { monolith: upstream.url, stateFile }

    await using edge = await startEdge({ ...options, source: new LedgerSource(url, NAMES) })
    expect(await side(edge), 'nothing is known yet').toBe('monolith')
    expect(await ready(edge)).toMatchObject({ ready: true, degraded: ['ledger'], ledger: { origin: 'default' } })

    await server.restart()
    await until('the ledger is found', async () => (await ready(edge)).degraded.length === 0)
    const startedAt = new Date()
    const ledger = await Ledger.open(url, NAMES)
    await move(ledger, 'syncing', 'shadowing', 'canary', 'extracted')
    await until('reads go to the service', async () => (await side(edge)) === 'service')
    await until('the reports go on', async () => (await ledger.traffic('catalog', startedAt)).service.requests > 0)
    await ledger.close()

    await server.kill('SIGKILL')
    await until('the loss is seen', async () => (await ready(edge)).degraded.includes('ledger'), 15_000)
    expect(await side(edge)).toBe('service')
    await using next = await startEdge({ ...options, source: new LedgerSource(url, NAMES) })
    expect(await side(next), 'the next process knows it from the file').toBe('service')
    expect(await ready(next)).toMatchObject({ ready: true, degraded: ['ledger'], ledger: { origin: 'file' } })

    await server.restart()
    await until('the ledger is back', async () => (await ready(edge)).degraded.length === 0, 15_000)
    const after = await Ledger.open(url, NAMES)
    await until('what was counted meanwhile is reported', async () => {
      const { service } = await after.traffic('catalog', startedAt)
      return service.requests >= 3
    })
    await after.close()
    await rm(folder, { recursive: true })
  })
})

it('closes a ledger that it could not begin to follow before it opens the next', async () => {
  await using database = await createDatabase('edge')
  const source = new LedgerSource(database.url, NAMES)
  const phases: (string | undefined)[] = []
  let failures = 2
  const failTwice = () => {
    if (failures-- > 0) throw new Error('not yet')
  }
  await source.follow({
    changed(capabilities) {
      failTwice()
      phases.push(capabilities[0]?.phase)
    },
    lost: failTwice,
    regained() {},
  })
  expect(phases).toEqual([])
  await until('the next one is followed', () => phases.length > 0)
  const beside = await connect(database.url, 'the ledger')
  const { rows } = await beside.query(
    `SELECT application_name AS name, count(*)::int AS connections FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'ficus ledger%' GROUP BY name ORDER BY name`,
  )
  await beside.end()
  await source.stop()
  expect(rows).toEqual([
    { name: 'ficus ledger', connections: 1 },
    { name: 'ficus ledger watch', connections: 1 },
  ])
})

it('tells that the ledger is back once its state was read, not before', async () => {
  await using server = await startTestPostgres()
  const url = await server.createDatabase('ledger')
  await server.kill('SIGKILL')
  const told: string[] = []
  const source = new LedgerSource(url, NAMES)
  await source.follow({
    changed: ([catalog]) => told.push(`catalog ${catalog?.phase}`),
    lost: () => told.push('lost'),
    regained: () => told.push('regained'),
  })
  expect(told).toEqual(['lost'])

  await server.restart()
  await until('the ledger is found', () => told.includes('regained'), 15_000)
  expect(told).toEqual(['lost', 'catalog legacy', 'regained'])
  await source.stop()
})
