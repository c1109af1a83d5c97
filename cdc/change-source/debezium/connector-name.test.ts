import { expect, it } from 'vitest'
import { connectorName, connectorPrefix, partitionKey, storedOffset } from './connector-name.ts'

const CATALOG = { capability: 'catalog', direction: 'forward' } as const

it('a first copy has a connector of its own, and the target’s position remembers which', () => {
  const name = connectorName('ficus', CATALOG, { lsn: '16/B374D848' })
  expect(name).toBe('ficus.catalog.forward.16-B374D848')
  expect(name.startsWith(connectorPrefix('ficus', CATALOG))).toBe(true)
  expect(connectorName('ficus', CATALOG, { lsn: '17/0', offsets: { [partitionKey(name)]: '42' } })).toBe(name)
})

it('a position tells where to go on, once something was read', () => {
  expect(storedOffset('t', { lsn: '0/1' })).toBeNull()
  expect(storedOffset('t', { lsn: '0/1', offsets: { 't:0': '9007199254740993' } })).toBe(9007199254740993n)
})
