import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import type { TypeSample } from './type-sample.ts'
import { TYPE_SAMPLES } from './type-samples.ts'

const NEWEST = 18

it('docs/types.md lists the types that the tests of both engines carry, and how', async () => {
  const page = await readFile(new URL('../../docs/types.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter(line => line.startsWith('| `'))
  expect(rows).toEqual(TYPE_SAMPLES.map(rowOf))
})

it('has a sample of each type once, with values that the newest server knows', () => {
  const types = TYPE_SAMPLES.map(({ type }) => type)
  expect(new Set(types).size).toBe(types.length)
  for (const { type, values, since = 0 } of TYPE_SAMPLES) {
    expect(values.length, type).toBeGreaterThan(0)
    expect(since, type).toBeLessThanOrEqual(NEWEST)
  }
})

function rowOf({ type, postgres, debezium, but = [] }: TypeSample): string {
  const form =
    but.length === 0 ? debezium : `sent; read back where it is ${but.map(value => `\`${value}\``).join(', ')}`
  return `| \`${type}\` | ${postgres} | ${form} |`
}
