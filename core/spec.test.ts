import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../', import.meta.url))

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

/** A title: the first argument, a string, of `it(`, `describe.skipIf(…)(`, `it.each([…])(` and their like. */
const TITLE = /(?:\b(?:it|test|describe)(?:\.\w+)*|\))\(\s*(['"`])((?:(?!\1).)*)\1/g

/** The invariants that the titles of a test file name: `invariant 4: …`, `invariants 3, 4: …`, `invariants 9 and 10: …`. */
function invariantsOf(source: string): ReadonlySet<number> {
  const named = [...source.matchAll(TITLE)].flatMap(([, , title = '']) => [
    ...title.matchAll(/\binvariants? (\d+(?:(?:, | and )\d+)*)/g),
  ])
  return new Set(named.flatMap(([, numbers = '']) => numbers.split(/, | and /).map(Number)))
}

/** Paths of all tests but this one, whose titles are examples, with the invariants that they name. */
async function readTests(): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const tests = new Map<string, ReadonlySet<number>>()
  const exclude = (path: string) => /(?:^|\/)(?:node_modules|\.ficus|\.git|spec\.test\.ts)$/.test(path)
  for await (const path of glob('**/*.test.ts', { cwd: ROOT, exclude })) {
    tests.set(path.replaceAll('\\', '/'), invariantsOf(await readFile(join(ROOT, path), 'utf8')))
  }
  return tests
}

const sections = readSections(await readFile(new URL('SPEC.md', import.meta.url), 'utf8'))
const tests = await readTests()

it('has the thirteen invariants, each with a test or an open gap', () => {
  expect(sections.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  for (const section of sections) {
    expect(section.tests.length + section.gaps, `invariant ${section.number}`).toBeGreaterThan(0)
  }
})

it.each(sections)('lists under $number the tests whose titles name it, and no others', ({ number, tests: listed }) => {
  const naming = [...tests].filter(([, invariants]) => invariants.has(number)).map(([path]) => path)
  expect([...listed].sort()).toEqual(naming.sort())
})

it('reads titles, and nothing else that names an invariant', () => {
  const source = `
    // invariant 1
    it('invariant 2: one', () => expect(1, 'invariant 3').toBe(1))
    describe.skipIf(missing)("invariants 4, 5 and 6: several", () => {})
    it.each([['invariant 7']])(
      \`invariant 8: %s\`,
    )
    test('keeps it (invariant 9)', { retry: 10 }, () => {})
    run({ name: 'invariant 10' })`
  expect([...invariantsOf(source)]).toEqual([2, 4, 5, 6, 8, 9])
})
