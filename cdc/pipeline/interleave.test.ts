import { expect, it } from 'vitest'
import { interleave } from './interleave.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 1; n <= count; n++) yield n
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

it('hands on every item and nothing else while no other work is wanted', async () => {
  expect(
    await collect(
      interleave(
        numbers(3),
        () => false,
        () => {},
      ),
    ),
  ).toEqual([1, 2, 3])
})

it('gives a moment after each item, so that a full stream does not starve the other work', async () => {
  const moments = (
    await collect(
      interleave(
        numbers(3),
        () => true,
        () => {},
      ),
    )
  ).filter(item => item === null)
  expect(moments.length).toBeGreaterThanOrEqual(3)
})

it('gives moments while the stream is idle, and passes its failure on', async () => {
  const idle = Promise.withResolvers<void>()
  async function* waiting(): AsyncGenerator<number> {
    await idle.promise
    yield 1
    throw new Error('the stream broke')
  }
  const seen: (number | null)[] = []
  await expect(async () => {
    for await (const item of interleave(
      waiting(),
      () => true,
      () => {},
    )) {
      seen.push(item)
      if (seen.length === 5) idle.resolve()
    }
  }).rejects.toThrow('the stream broke')
  expect(seen.slice(0, 5)).toEqual([null, null, null, null, null])
  expect(seen).toContain(1)
})

it('ends a stream that waits when its reader leaves', async () => {
  const left = Promise.withResolvers<void>()
  let ended = false
  async function* waiting(): AsyncGenerator<number> {
    try {
      await left.promise
      yield 1
    } finally {
      ended = true
    }
  }
  for await (const _ of interleave(waiting(), () => true, left.resolve)) break
  expect(ended).toBe(true)
})
