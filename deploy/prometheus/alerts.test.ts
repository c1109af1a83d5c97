import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../native/state-dir.ts'
import { alertRules } from '../testing/asked-metrics.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const rules = alertRules()

it('asks for metrics only that the edge or sync exports', () => {
  const exported = new Set(
    ['cdc/worker/metrics.ts', 'edge/observe/metrics.ts'].flatMap(file => read(file).match(/\bficus_\w+/g) ?? []),
  )
  const asked = rules.flatMap(({ expr }) => expr.match(/\bficus_\w+/g) ?? [])
  expect(asked).not.toEqual([])
  expect(asked.filter(metric => !exported.has(metric))).toEqual([])
})

it('has each alert that the operator’s page explains, and no other', () => {
  const explained = [...read('docs/operate.md').matchAll(/^\| `(Ficus\w+)` \|/gm)].map(([, name]) => name)
  expect(explained.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted())
})
