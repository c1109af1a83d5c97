import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { closingLine } from './closing-line.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder = ''

// Inside the repository, so that the inner tests find vitest; in a folder that the outer run passes over.
beforeAll(async () => {
  await mkdir(join(root, '.ficus'), { recursive: true })
  folder = await mkdtemp(join(root, '.ficus', 'closing-line-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs vitest on one test file. @returns the last line that it prints, and its exit code. */
async function run(name: string, source: string): Promise<{ last: string | undefined; exitCode: number | undefined }> {
  const home = join(folder, name)
  await mkdir(home)
  await writeFile(join(home, 'inner.test.ts'), source)
  const reporter = join(root, 'e2e/testing/closing-line.ts')
  await writeFile(join(home, 'vitest.config.js'), 'export default {}')
  const args = ['run', '--root', home, '--reporter=default', `--reporter=${reporter}`]
  const result = await execa(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    reject: false,
    all: true,
    env: { VITEST: undefined, VITEST_MODE: undefined, VITEST_POOL_ID: undefined, VITEST_WORKER_ID: undefined },
  })
  return { last: result.all.split('\n').at(-1), exitCode: result.exitCode }
}

it('leaves out skips where there are none', () => {
  expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed')
  expect(closingLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped')
})

it('counts tests, not files, and comes last', async () => {
  const source = `import { it } from 'vitest'
    it('a', () => {}); it('b', () => {}); it.skip('c', () => {}); it('d', () => { throw new Error('wrong') })`
  expect(await run('tests', source)).toEqual({ last: '2 passed, 1 failed, 1 skipped', exitCode: 1 })
})

it.each([
  ['a file that fails to load', `import './nothing.ts'`, '0 passed, 1 failed'],
  [
    'an error that no test catches',
    `import { it } from 'vitest'
     it('a', () => { setTimeout(() => { throw new Error('late') }); return new Promise(done => setTimeout(done, 50)) })`,
    '1 passed, 1 failed',
  ],
  [
    'a hook that fails',
    `import { beforeAll, describe, it } from 'vitest'
     describe('x', () => { beforeAll(() => { throw new Error('hook') }); it('a', () => {}) })`,
    '0 passed, 1 failed, 1 skipped',
  ],
])('counts %s as failed', async (name, source, last) => {
  expect(await run(name.replaceAll(' ', '-'), source)).toEqual({ last, exitCode: 1 })
})
