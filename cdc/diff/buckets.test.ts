import { expect, it } from 'vitest'
import { addBucket, type Bucket, bucketCount, differingBuckets, differingKeys } from './buckets.ts'

it('uses a power of two of buckets, within bounds', () => {
  expect([0, 512, 513, 100_000, 10_000_000_000].map(bucketCount)).toEqual([1, 1, 2, 256, 65_536])
})

it('adds up what parts of a table hold', () => {
  const buckets = new Map<number, Bucket>()
  addBucket(buckets, 1, { rows: 2n, hash: -5n })
  addBucket(buckets, 1, { rows: 1n, hash: 7n })
  expect(buckets.get(1)).toEqual({ rows: 3n, hash: 2n })
})

it('names buckets that differ in rows or hash, or that one side lacks', () => {
  const same = { rows: 1n, hash: 1n }
  const source = new Map([1, 2, 3, 4].map(id => [id, same]))
  const target = new Map([
    [1, same],
    [2, { rows: 2n, hash: 1n }],
    [3, { rows: 1n, hash: 2n }],
    [5, same],
  ])
  expect(differingBuckets(source, target)).toEqual([2, 3, 4, 5])
})

it('names keys that differ, or that one side lacks', () => {
  const source = new Map(Object.entries({ a: '1', b: '1', c: '1' }))
  const target = new Map(Object.entries({ a: '1', b: '2', d: '1' }))
  expect(differingKeys(source, target)).toEqual(['b', 'c', 'd'])
})
