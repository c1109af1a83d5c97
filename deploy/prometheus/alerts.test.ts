import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from '../native/state-dir.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const { groups }: { groups: { rules: Rule[] }[] } = parse(read('deploy/prometheus/alerts.yml'))
const rules = groups.flatMap(group => group.rules)

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
