import { describe, expect, it } from 'vitest'
import { outcomeOf, parseReport, type Report } from './report.ts'
import { verifierEnvironment } from './verify-slice.ts'

function report(...results: object[]): Report {
  const parsed = parseReport(JSON.stringify({ interactionResults: results, errors: [], result: false }))
  if (parsed === null) throw new Error('not a report')
  return parsed
}

describe('outcomeOf', () => {
  it('puts every mismatch of an interaction into one line', () => {
    const mismatches = [
      { type: 'StatusMismatch', mismatch: 'expected 200 but was 404', expected: 200, actual: 404 },
      { type: 'HeaderMismatch', mismatch: "Expected a header 'ETag' but was missing", key: 'ETag' },
      { type: 'BodyMismatch', mismatch: 'Expected body Present(8 bytes) but was empty', path: '/' },
      { type: 'BodyMismatch', mismatch: "Expected '1' (String) to be an integer", path: '$.id' },
    ]
    const result = { interactionId: '0-1', result: 'Error', mismatch: { type: 'mismatches', mismatches } }
    expect(outcomeOf(report(result), '0-1', []).reason).toBe(
      'status: expected 200 but was 404; ' +
        "Expected a header 'ETag' but was missing; " +
        'body $: Expected body Present(8 bytes) but was empty; ' +
        "body $.id: Expected '1' (String) to be an integer",
    )
  })

  it('tells an answer that was never compared from one that differs', () => {
    const message = 'One or more of the setup state change handlers has failed'
    const results = report({ interactionId: '0-0', result: 'Error', mismatch: { type: 'error', message } })
    expect(outcomeOf(results, '0-0', ['no such state'])).toEqual({
      passed: false,
      compared: false,
      reason: 'no such state',
    })
    expect(outcomeOf(results, '0-0', [])).toEqual({ passed: false, compared: true, reason: message })
  })

  it('does not take an interaction for passed that the verifier left out', () => {
    expect(outcomeOf(report(), '0-0', [])).toMatchObject({ passed: false, compared: false })
  })
})

describe('parseReport', () => {
  it.each(['', 'Verification was unable to run', '{}'])('finds no report in %j', text => {
    expect(parseReport(text)).toBeNull()
  })
})

describe('verifierEnvironment', () => {
  it('keeps filters and brokers of the environment from the verifier', () => {
    const env = verifierEnvironment({ PATH: '/bin', PACT_DESCRIPTION: 'a book', PACT_BROKER_BASE_URL: 'http://broker' })
    expect(env).toMatchObject({ PATH: '/bin', PACT_DO_NOT_TRACK: 'true' })
    expect(Object.keys(env)).not.toContain('PACT_DESCRIPTION')
    expect(Object.keys(env)).not.toContain('PACT_BROKER_BASE_URL')
  })

  it('asks local providers directly where there is a proxy', () => {
    const { NO_PROXY, no_proxy } = verifierEnvironment({ HTTP_PROXY: 'http://proxy:3128', no_proxy: 'intranet' })
    expect(NO_PROXY).toBe('intranet,127.0.0.1,localhost,::1')
    expect(no_proxy).toBe(NO_PROXY)
  })
})
