import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { hidePassword } from './logger.ts'

it.each([
  ['postgres://shop:s3cret@127.0.0.1:5432/shop', 'postgres://shop:***@127.0.0.1:5432/shop'],
  ['postgres://127.0.0.1/shop', 'postgres://127.0.0.1/shop'],
  ['not an address', 'not an address'],
])('%s is shown as %s', (url, shown) => {
  expect(hidePassword(url)).toBe(shown)
})

it('writes JSON to standard error, without passwords and tokens, and keeps standard output free', () => {
  const url = new URL('./logger.ts', import.meta.url).href
  const script = `
    const { createLogger } = await import(${JSON.stringify(url)})
    const headers = { authorization: 'Bearer s3cret', cookie: 'sid=s3cret' }
    createLogger('edge').info({ token: 's3cret', flags: { token: 's3cret', adminToken: 's3cret' }, headers }, 'started')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(stdout).toBe('')
  expect(JSON.parse(stderr)).toMatchObject({ name: 'edge', msg: 'started', token: '[Redacted]' })
  expect(stderr).not.toContain('s3cret')
})
