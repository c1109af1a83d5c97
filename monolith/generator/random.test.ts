import { describe, expect, it } from 'vitest'
import { createRandom } from './random.ts'

const take = (seed: number, name: string) => {
  const random = createRandom(seed, name)
  return Array.from({ length: 5 }, () => random.next())
}

describe('random', () => {
  it('repeats itself for the same seed and name, and for nothing else', () => {
    expect(take(1, 'products')).toEqual(take(1, 'products'))
    expect(take(1, 'products')).not.toEqual(take(2, 'products'))
    expect(take(1, 'products')).not.toEqual(take(1, 'orders'))
  })

  it('covers its range evenly enough', () => {
    const random = createRandom(7, 'dice')
    const counts = new Map<number, number>()
    for (let roll = 0; roll < 6_000; roll++) {
      const face = random.integer(1, 6)
      counts.set(face, (counts.get(face) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6])
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150)
  })

  it('samples different ones in the order of the list', () => {
    const random = createRandom(3, 'sample')
    for (let round = 0; round < 50; round++) {
      const sample = random.sample([1, 2, 3, 4, 5, 6, 7], 3)
      expect(sample).toHaveLength(3)
      expect(sample).toEqual([...new Set(sample)].sort())
    }
  })
})
