import { createHash } from 'node:crypto'

/** A stream of random values that is the same for the same seed and name, on every machine. */
export interface Random {
  /** At least 0, below 1. */
  next(): number
  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number
  chance(probability: number): boolean
  /** @throws RangeError when the list is empty. */
  pick<T>(list: readonly T[]): T
  /** `count` different ones, in the list's order. */
  sample<T>(list: readonly T[], count: number): T[]
}

/**
 * sfc32 by Chris Doty-Humphrey (PractRand), seeded from a hash.
 *
 * @param name tells streams of one seed apart, so that a change to one table leaves the others as they were.
 */
export function createRandom(seed: number, name: string): Random {
  const state = createHash('sha256').update(`${seed}:${name}`).digest()
  let a = state.readInt32LE(0)
  let b = state.readInt32LE(4)
  let c = state.readInt32LE(8)
  let counter = 1

  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 12; round++) next()

  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    integer,
    chance: probability => next() < probability,
    pick: list => {
      const picked = list[integer(0, list.length - 1)]
      if (picked === undefined) throw new RangeError('there is nothing to pick from')
      return picked
    },
    sample: (list, count) => {
      let needed = Math.min(count, list.length)
      return list.filter((_, index) => {
        const take = next() * (list.length - index) < needed
        if (take) needed--
        return take
      })
    },
  }
}
