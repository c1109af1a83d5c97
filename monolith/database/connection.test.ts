import { describe, expect, it } from 'vitest'
import { isoMicroseconds } from './connection.ts'

describe('isoMicroseconds', () => {
  it.each([
    ['2026-01-02 03:04:05+00', '2026-01-02T03:04:05.000000Z'],
    ['2026-01-02 03:04:05.12+00', '2026-01-02T03:04:05.120000Z'],
    ['2026-01-02 03:04:05.123456+00', '2026-01-02T03:04:05.123456Z'],
  ])('reads %s', (text, iso) => expect(isoMicroseconds(text)).toBe(iso))

  it.each(['2026-01-02 03:04:05+01', 'infinity'])('does not guess at %s', text => {
    expect(() => isoMicroseconds(text)).toThrow('is not a timestamptz in UTC')
  })
})
