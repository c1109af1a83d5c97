import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { ERROR_CODES } from './codes.ts'
import { renderErrorsPage, WRITE_COMMAND } from './errors-page.ts'

it('generated files are up to date: docs/errors.md', async () => {
  const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  expect(page, `run \`${WRITE_COMMAND}\``).toBe(renderErrorsPage(ERROR_CODES))
})

it('puts each code under its exit code, in the order of the alphabet', () => {
  const page = renderErrorsPage({
    FICUS_B: { status: 503, retry: true, exit: 3, remedy: 'Start it.' },
    FICUS_A: { status: 400, retry: false, exit: 3, remedy: 'Use a | b.' },
    FICUS_C: { status: 409, retry: false, exit: 1, remedy: 'Wait.' },
  })
  const rows = page.split('\n').filter(line => /^(## |\| `)/.test(line))
  expect(rows).toEqual([
    '## Exit code 1: refused',
    '| `FICUS_C` | 409 | no | Wait. |',
    '## Exit code 2: bad usage or configuration',
    '## Exit code 3: a part is unreachable or failed',
    '| `FICUS_A` | 400 | no | Use a \\| b. |',
    '| `FICUS_B` | 503 | yes | Start it. |',
  ])
})

it('the operator’s page has a place for each code that a sync or a comparison can end with', async () => {
  const root = new URL('../../', import.meta.url)
  const operate = await readFile(new URL('docs/operate.md', root), 'utf8')
  const raised = new Set<string>()
  for await (const file of glob('cdc/**/*.ts', { cwd: fileURLToPath(root) })) {
    if (file.includes('node_modules') || file.endsWith('.test.ts')) continue
    const source = await readFile(new URL(file, root), 'utf8')
    for (const [, code = ''] of source.matchAll(/'(FICUS(?:_[A-Z]+)+)'/g)) raised.add(code)
  }
  expect(raised.size).toBeGreaterThan(10)
  expect([...raised].filter(code => !operate.includes(code))).toEqual([])
})

it('every code is Ficus’s, has a remedy that is a sentence, and a status of HTTP', () => {
  for (const [code, { remedy, status }] of Object.entries(ERROR_CODES)) {
    expect(code).toMatch(/^FICUS(_[A-Z]+)+$/)
    expect(remedy, code).toMatch(/^[A-Z`].*[.?]$/)
    expect(status, code).toBeGreaterThanOrEqual(400)
    expect(status, code).toBeLessThan(600)
  }
})
