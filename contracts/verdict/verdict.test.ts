import type { Route } from '@ficus/core/config/route'
import { describe, expect, it } from 'vitest'
import { slicePacts } from '../slice/slice-pacts.ts'
import { type Outcome, PASSED } from '../verification/outcome.ts'
import { toGateResult } from './gate-result.ts'
import { type ContractVersions, judge } from './verdict.ts'

const FAILED: Outcome = { passed: false, compared: true, reason: 'status: expected 200 but was 404' }
const NO_STATE: Outcome = { passed: false, compared: false, reason: 'provider state "books" could not be made' }

const ROUTES: Route[] = ['/a', '/b', '/c'].map(path => ({ method: 'GET', path, kind: null }))
const VERSIONS: ContractVersions = { pacts: 'p1', monolith: 'm1', service: null }

/** A verdict on one interaction for each pair of outcomes: `/a`, `/b`, `/c` in turn. */
function verdictOn(...outcomes: [monolith: Outcome, service: Outcome][]) {
  const interactions = outcomes.map((_, index) => {
    const path = ROUTES[index]?.path ?? ''
    return { description: path, states: [{ name: 'books', params: {} }], method: 'GET', path, source: { path } }
  })
  const pact = { consumer: 'web', provider: 'store', specification: '3.0.0', interactions, messages: 0 }
  const slice = slicePacts([pact], ROUTES)
  const of = (side: 0 | 1) =>
    new Map(slice.interactions.map(({ id }, index) => [id, outcomes[index]?.[side] ?? FAILED] as const))
  return judge({
    capability: 'books',
    routes: ROUTES,
    slice,
    versions: VERSIONS,
    monolith: of(0),
    service: of(1),
    measuredAt: new Date(0),
  })
}

describe('judge', () => {
  it('passes when the service passes all that the monolith passes', () => {
    expect(verdictOn([PASSED, PASSED], [PASSED, PASSED])).toMatchObject({ verdict: 'pass', onlyMonolith: [] })
  })

  it('fails on one interaction that only the monolith passes, and names it', () => {
    expect(verdictOn([PASSED, PASSED], [PASSED, FAILED])).toMatchObject({
      verdict: 'fail',
      onlyMonolith: ['web: /b (given books)'],
    })
  })

  it('reports what the monolith itself fails as stale and passes on the rest', () => {
    expect(verdictOn([PASSED, PASSED], [FAILED, PASSED], [FAILED, FAILED])).toMatchObject({
      verdict: 'pass',
      onlyService: ['web: /b (given books)'],
      neither: ['web: /c (given books)'],
    })
  })

  it('is inconclusive without an interaction', () => {
    expect(verdictOn()).toMatchObject({ verdict: 'inconclusive', unproven: ['GET /a', 'GET /b', 'GET /c'] })
  })

  it('is inconclusive when the monolith passes nothing: a service that fails too proves nothing', () => {
    expect(verdictOn([FAILED, FAILED]).verdict).toBe('inconclusive')
  })

  it('is inconclusive when the monolith cannot make a provider state', () => {
    expect(verdictOn([PASSED, PASSED], [NO_STATE, PASSED])).toMatchObject({
      verdict: 'inconclusive',
      notCompared: ['web: /b (given books)'],
      onlyService: [],
    })
  })

  it('fails when only the service cannot make a provider state', () => {
    expect(verdictOn([PASSED, NO_STATE])).toMatchObject({ verdict: 'fail', onlyMonolith: ['web: /a (given books)'] })
  })

  it('counts a route as unproven whose interactions the monolith fails', () => {
    expect(verdictOn([PASSED, PASSED], [FAILED, FAILED]).unproven).toEqual(['GET /b', 'GET /c'])
  })
})

describe('toGateResult', () => {
  it('carries the versions that are known, and says in one line what is where', () => {
    expect(toGateResult(verdictOn([PASSED, PASSED], [FAILED, PASSED]))).toMatchObject({
      gate: 'contracts',
      verdict: 'pass',
      versions: { pacts: 'p1', monolith: 'm1' },
      summary:
        'the service passes 1 of 1 interactions that the monolith passes; 1 stale (the monolith fails them); 2 routes unproven',
    })
  })

  it('gives the reason for each interaction that only the monolith passes', () => {
    const result = toGateResult(verdictOn([PASSED, FAILED], [PASSED, FAILED], [PASSED, PASSED]))
    expect(result.summary).toBe(
      'the service passes 1 of 3 interactions that the monolith passes; fails web: /a (given books) and 1 more',
    )
    expect(result.evidence.onlyMonolith).toEqual([
      { interaction: 'web: /a (given books)', route: 'GET /a', reason: 'status: expected 200 but was 404' },
      { interaction: 'web: /b (given books)', route: 'GET /b', reason: 'status: expected 200 but was 404' },
    ])
  })

  it('says so when no pact takes a route', () => {
    expect(toGateResult(verdictOn()).summary).toBe('no pact takes a route of this capability')
  })
})
