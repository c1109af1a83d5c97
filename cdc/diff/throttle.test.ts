import { expect, it } from 'vitest'
import { Throttle } from './throttle.ts'

const { signal } = new AbortController()
const free = async () => null

it('holds to the rate', async () => {
  const throttle = new Throttle({ maxRowsPerSecond: 10_000 }, free, signal)
  const started = performance.now()
  for (let range = 0; range < 4; range++) await throttle.spend(500)
  expect(performance.now() - started).toBeGreaterThan(190)
})

it('shares the rate among those that work at the same time', async () => {
  const throttle = new Throttle({ maxRowsPerSecond: 10_000 }, free, signal)
  const started = performance.now()
  await Promise.all([throttle.spend(1_000), throttle.spend(1_000)])
  expect(performance.now() - started).toBeGreaterThan(190)
})

it('waits while there is a reason to, and tells of it', async () => {
  const answers = ['sync is 9 s behind', null]
  const told: (string | null)[] = []
  const throttle = new Throttle(
    {},
    async () => answers.shift() ?? null,
    signal,
    reason => told.push(reason),
  )
  expect(await throttle.mustWait()).toBe(true)
  await throttle.proceed()
  expect(told).toEqual(['sync is 9 s behind', null])
  expect(await throttle.mustWait()).toBe(false)
})

it('can be broken off while it waits', async () => {
  const ending = new AbortController()
  const throttle = new Throttle({}, async () => 'busy', ending.signal)
  const waiting = throttle.proceed()
  ending.abort(new Error('enough'))
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
})
