import { describe, expect, it } from 'vitest'
import { readConfig } from './config.ts'
import { Failure } from './failure.ts'

const DATABASE_URL = 'postgres://shop:secret@127.0.0.1:5432/shop'

describe('readConfig', () => {
  it('has a default for everything but the database', () => {
    expect(readConfig({ DATABASE_URL })).toEqual({
      databaseUrl: DATABASE_URL,
      host: '127.0.0.1',
      port: 3000,
      adminApiKey: 'dev-admin-key',
      logLevel: 'info',
      providerStates: false,
      buildId: null,
    })
  })

  it('takes an empty BUILD_ID for none', () => {
    expect(readConfig({ DATABASE_URL, BUILD_ID: '' }).buildId).toBeNull()
    expect(readConfig({ DATABASE_URL, BUILD_ID: '4f2c1e' }).buildId).toBe('4f2c1e')
  })

  it.each([
    [{}, 'DATABASE_URL is not set'],
    [{ DATABASE_URL: 'mysql://root:secret@db/shop' }, 'DATABASE_URL is not a URL of the form postgres://'],
    [{ DATABASE_URL, PORT: '70000' }, 'PORT is "70000"'],
    [{ DATABASE_URL, LOG_LEVEL: 'loud' }, 'LOG_LEVEL is "loud"'],
    [{ PORT: 'x' }, 'PORT is "x", but has to be a number from 0 to 65535; DATABASE_URL is not set'],
  ])('refuses %j', (env, message) => {
    const failure = refused(env)
    expect([failure.exitCode, failure.message]).toEqual([2, expect.stringContaining(message)])
    expect(failure.message).not.toContain('secret')
  })
})

function refused(env: Record<string, string>): Failure {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof Failure) return error
  }
  throw new Error('it was not refused')
}
