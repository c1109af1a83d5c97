import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Route } from '@ficus/core/config/route'
import { freePort } from '@ficus/deploy/native/free-port'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bookstore, type BookstoreChanges, startBookstore } from './testing/bookstore.ts'
import { writeReaderPact } from './testing/reader-pact.ts'
import { toGateResult } from './verdict/gate-result.ts'
import { storeVerdict } from './verdict/store-verdict.ts'
import { type ContractsToVerify, verifyContracts } from './verify-contracts.ts'

const BOOK = 'reader: a book (given a book exists)'
const NOT_THERE = 'reader: a book that is not there'
const NEW_BOOK = 'reader: a new book'
const STATES = '/_pact/provider-states'
const ROUTES: Route[] = [
  { method: 'GET', path: '/books/:id', kind: null },
  { method: 'POST', path: '/books', kind: null },
]

/** Nothing listens there. */
const NOBODY = 'http://127.0.0.1:1'

type Address = Pick<Bookstore, 'url'>

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ficus-contracts-'))
  await writeReaderPact(join(directory, 'pacts'))
})

afterAll(() => rm(directory, { recursive: true }))

function contractsOf(monolith: Address, service: Address, more: Partial<ContractsToVerify> = {}): ContractsToVerify {
  return {
    capability: 'books',
    routes: ROUTES,
    contracts: {
      pacts: 'pacts',
      monolith: { url: monolith.url, states: STATES },
      service: { url: service.url, states: STATES },
    },
    directory,
    signal: new AbortController().signal,
    now: () => new Date(0),
    ...more,
  }
}

/** Verifies a bookstore with changes, as the service, beside one without. */
async function verify(service: BookstoreChanges, monolith: BookstoreChanges = {}) {
  await using left = await startBookstore(monolith)
  await using right = await startBookstore(service)
  return await verifyContracts(contractsOf(left, right))
}

describe('verifyContracts', () => {
  it('passes a service that is a drop-in, with the versions it is about', async () => {
    await using monolith = await startBookstore({ version: '1.4.0' })
    await using service = await startBookstore()
    const seen: unknown[] = []
    const verdict = await verifyContracts(contractsOf(monolith, service, { onProgress: step => seen.push(step) }))
    expect(verdict).toMatchObject({
      verdict: 'pass',
      measuredAt: '1970-01-01T00:00:00.000Z',
      versions: { pacts: expect.stringMatching(/^[0-9a-f]{64}$/), monolith: '1.4.0', service: null },
      onlyMonolith: [],
      neither: [],
      unproven: [],
      elsewhere: 1,
    })
    const passed = { passed: true, compared: true, reason: null }
    expect(verdict.interactions).toEqual([
      {
        name: BOOK,
        consumer: 'reader',
        description: 'a book',
        states: ['a book exists'],
        route: 'GET /books/:id',
        monolith: passed,
        service: passed,
      },
      expect.objectContaining({ name: NOT_THERE, route: 'GET /books/:id', monolith: passed, service: passed }),
      expect.objectContaining({ name: NEW_BOOK, route: 'POST /books', monolith: passed, service: passed }),
    ])
    expect(seen).toEqual([
      { step: 'sliced', interactions: 3, unproven: [] },
      { step: 'starting', side: 'monolith' },
      { step: 'verifying', side: 'monolith' },
      { step: 'verified', side: 'monolith', passed: 3, interactions: 3 },
      { step: 'starting', side: 'service' },
      { step: 'verifying', side: 'service' },
      { step: 'verified', side: 'service', passed: 3, interactions: 3 },
    ])
  })

  it('asks both sides for the same provider states', async () => {
    await using monolith = await startBookstore()
    await using service = await startBookstore()
    await verifyContracts(contractsOf(monolith, service))
    expect(monolith.states).toEqual(['setup a book exists', 'teardown a book exists'])
    expect(service.states).toEqual(monolith.states)
  })

  describe('fails a mutant of the service and names the interaction:', () => {
    it.each<[string, BookstoreChanges['book'], RegExp]>([
      ['wrong status', book => ({ status: 203, body: book }), /^status: expected 200 but was 203$/],
      ['missing field', ({ id, title }) => ({ status: 200, body: { id, title } }), /^body \$: .*price/],
      [
        'wrong type',
        book => ({ status: 200, body: { ...book, id: '7' } }),
        /^body \$\.id: Expected '7' \(String\) to be an integer$/,
      ],
      ['wrong format', book => ({ status: 200, body: { ...book, price: '9.9' } }), /^body \$\.price: .*'9\.9'/],
      ['wrong header', book => ({ status: 200, body: book, type: 'text/plain' }), /Content-Type/],
      ['broken connection', () => 'reset', /^error sending request/],
    ])('%s', async (_, book, reason) => {
      const verdict = await verify(book === undefined ? {} : { book })
      expect(verdict).toMatchObject({ verdict: 'fail', onlyMonolith: [BOOK], neither: [] })
      expect(verdict.interactions.find(({ name }) => name === BOOK)).toMatchObject({
        monolith: { passed: true, reason: null },
        service: { passed: false, compared: true, reason: expect.stringMatching(reason) },
      })
    })
  })

  it('passes with a warning when the monolith fails too: the pact is stale', async () => {
    const book: BookstoreChanges['book'] = () => ({ status: 410, body: {} })
    const verdict = await verify({ book }, { book })
    expect(verdict).toMatchObject({ verdict: 'pass', onlyMonolith: [], neither: [BOOK] })
    expect(toGateResult(verdict).summary).toContain('1 stale')
  })

  it('fails at once when the service cannot make a provider state, with what it said', async () => {
    const verdict = await verify({ state: () => 500 })
    expect(verdict).toMatchObject({ verdict: 'fail', onlyMonolith: [BOOK] })
    expect(verdict.interactions[0]?.service).toMatchObject({
      compared: false,
      reason: expect.stringMatching(
        /^provider state "a book exists" could not be made: POST .* answered 500 .*no such state/,
      ),
    })
  })

  it('is inconclusive when the monolith cannot make a provider state', async () => {
    expect(await verify({}, { state: () => 404 })).toMatchObject({ verdict: 'inconclusive', notCompared: [BOOK] })
  })

  it('lists the routes of which no pact tells anything', async () => {
    await using monolith = await startBookstore()
    await using service = await startBookstore()
    const routes: Route[] = [...ROUTES, { method: 'DELETE', path: '/books/:id', kind: null }]
    const verdict = await verifyContracts(contractsOf(monolith, service, { routes }))
    expect(verdict).toMatchObject({ verdict: 'pass', unproven: ['DELETE /books/:id'] })
  })

  it('is inconclusive, and asks nobody, when no interaction takes a route', async () => {
    await using monolith = await startBookstore()
    const routes: Route[] = [{ method: 'GET', path: '/shelves', kind: null }]
    const contracts = contractsOf(monolith, { url: NOBODY }, { routes })
    expect(await verifyContracts(contracts)).toMatchObject({
      verdict: 'inconclusive',
      unproven: ['GET /shelves'],
      elsewhere: 4,
    })
    expect(monolith.states).toEqual([])
  })

  it('says when there is no pact file', async () => {
    await using store = await startBookstore()
    const contracts = contractsOf(store, { url: NOBODY })
    const without = verifyContracts({ ...contracts, contracts: { ...contracts.contracts, pacts: 'nowhere' } })
    await expect(without).rejects.toMatchObject({
      code: 'FICUS_PACT_MISSING',
      message: expect.stringContaining('nowhere'),
    })
  })

  it('says which side does not answer', async () => {
    await using monolith = await startBookstore()
    const contracts = contractsOf(monolith, { url: NOBODY })
    await expect(verifyContracts(contracts)).rejects.toMatchObject({
      code: 'FICUS_SERVICE_UNREACHABLE',
      message: expect.stringContaining('the service of books'),
    })
  })

  it('stops a provider that it started when the verification throws', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const answer200 = `require('node:http').createServer((_, response) => response.end('{}')).listen(${port}, '127.0.0.1')`
    const start = { before: [], command: ['node', '-e', answer200], env: {}, ready: '/ready' }
    const steps: unknown[] = []
    const started = verifyContracts({
      ...contractsOf({ url }, { url: NOBODY }, { onProgress: progress => steps.push(progress) }),
      contracts: {
        pacts: 'pacts',
        monolith: { url, states: STATES, start },
        service: { url: NOBODY, states: STATES },
      },
    })
    await expect(started).rejects.toThrow('the service of books does not answer')
    expect(steps).toContainEqual(expect.objectContaining({ step: 'verified', side: 'monolith' }))
    await expect(fetch(url)).rejects.toThrow()
  })

  it('refuses to compare a provider with itself', async () => {
    await using store = await startBookstore()
    await expect(verifyContracts(contractsOf(store, store))).rejects.toMatchObject({ code: 'FICUS_CONFIG_INVALID' })
  })

  it('ends when it is aborted, while a provider keeps it waiting', async () => {
    const controller = new AbortController()
    await using monolith = await startBookstore({
      state: () => {
        controller.abort(new Error('Ctrl-C'))
        return 200
      },
    })
    await using service = await startBookstore()
    const aborted = verifyContracts(contractsOf(monolith, service, { signal: controller.signal }))
    await expect(aborted).rejects.toThrow('Ctrl-C')
    expect(service.states).toEqual([])
  })
})

describe('storeVerdict', () => {
  it('writes the verdict once for the same versions', async () => {
    const folder = join(directory, 'verdicts')
    const [pass, again, other] = [await verify({}), await verify({}), await verify({ version: '2' })]
    const file = await storeVerdict(folder, pass)
    expect(await storeVerdict(folder, again)).toBe(file)
    expect(await storeVerdict(folder, other)).not.toBe(file)
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(pass)
    expect((await readdir(folder)).toSorted()).toEqual([
      expect.stringMatching(/^books-[0-9a-f]{12}\.json$/),
      expect.stringMatching(/^books-[0-9a-f]{12}\.json$/),
    ])
  })
})
