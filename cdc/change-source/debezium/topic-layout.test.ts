import { expect, it } from 'vitest'
import { partitionKey } from './connector-name.ts'
import { layoutOf, topicsOf, transactionTopic } from './topic-layout.ts'

const TABLES = [
  { schema: 'public', table: 'products' },
  { schema: 'Sales', table: 'Order, Items' },
  { schema: 'Sales', table: 'Order. Items' },
  { schema: 'public', table: 'ü😀' },
]

it('is one topic with one partition, or a topic a table beside those of transactions and messages', () => {
  expect(topicsOf('c', { layout: 'single', partitions: 1 }, TABLES)).toEqual([{ topic: 'c', partitions: 1 }])
  expect(topicsOf('c', { layout: 'tables', partitions: 3 }, TABLES)).toEqual([
    { topic: 'c.transaction', partitions: 1 },
    { topic: 'c.message', partitions: 1 },
    { topic: 'c.public.products', partitions: 3 },
    { topic: 'c.Sales.Order__Items', partitions: 3 },
    { topic: 'c.Sales.Order._Items', partitions: 3 },
    { topic: 'c.public.___', partitions: 3 },
  ])
})

it('is known from the position of a sync that has begun', () => {
  expect(layoutOf('c', undefined)).toBeNull()
  expect(layoutOf('c', { [partitionKey('c')]: '1' })).toBe('single')
  expect(layoutOf('c', { [partitionKey(transactionTopic('c'))]: '1' })).toBe('tables')
})
