import { expect, it } from 'vitest'
import { connectorName, connectorPrefix, numberOf, partitionKey, topicOf } from './connector-name.ts'

const CATALOG = { capability: 'catalog', direction: 'forward' } as const

it.each([
  ['one topic', ''],
  ['a topic a table', '.public.products'],
  ['a topic whose name looks like a connector’s', '.a.forward.1-2'],
])('a first copy has a connector of its own, and the target’s position remembers which: %s', (_, topic) => {
  const name = connectorName('ficus', CATALOG, { lsn: '16/B374D848' })
  expect(name).toBe('ficus.catalog.forward.16-B374D848')
  expect(name.startsWith(connectorPrefix('ficus', CATALOG))).toBe(true)
  const offsets = { [partitionKey(`${name}${topic}`, 3)]: '42' }
  expect(connectorName('ficus', CATALOG, { lsn: '17/0', offsets })).toBe(name)
})

it('a partition is named by its topic and its number', () => {
  const key = partitionKey('a.b', 12)
  expect([key, topicOf(key), numberOf(key)]).toEqual(['a.b:12', 'a.b', 12])
})
