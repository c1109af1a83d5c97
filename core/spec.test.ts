import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = new URL('../', import.meta.url)

interface Section {
  readonly number: number
  /** Paths of the tests that hold the invariant. */
  readonly tests: readonly string[]
  readonly gaps: number
}

/** Reads the numbered sections of SPEC.md: `## 4. …`, with `- \`path\`: …` for each test file and `- Gap: …`. */
function readSections(text: string): Section[] {
  return text
    .split(/^## /m)
    .filter(section => /^\d/.test(section))
    .map(section => ({
      number: Number.parseInt(section, 10),
      tests: [...section.matchAll(/^- `([^`]+\.test\.ts)`/gm)].map(match => match[1] ?? ''),
      gaps: [...section.matchAll(/^- Gap: \S/gm)].length,
    }))
}

const sections = readSections(await readFile(new URL('SPEC.md', import.meta.url), 'utf8'))

it('has the thirteen invariants, each with a test or an open gap', () => {
  expect(sections.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  for (const { number, tests, gaps } of sections) expect(tests.length + gaps, `invariant ${number}`).toBeGreaterThan(0)
})

describe.each(sections.filter(({ tests }) => tests.length > 0))('invariant $number', ({ number, tests }) => {
  it.each(tests)('is named by a test of %s', async path => {
    const text = await readFile(fileURLToPath(new URL(path, ROOT)), 'utf8')
    expect(text).toMatch(new RegExp(`invariants? (\\d+(, | and ))*${number}\\b`))
  })
})
