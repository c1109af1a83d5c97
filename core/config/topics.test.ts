import { expect, it } from 'vitest'
import { SECTIONS } from './schema.ts'

const topics = (input: object) => SECTIONS.cdc.safeParse({ topics: input })

it('is one topic of 16 MB events, from which only what was applied is removed', () => {
  expect(SECTIONS.cdc.parse({}).topics).toEqual({
    layout: 'single',
    partitions: 1,
    keys: {},
    segmentBytes: 128 * 1024 * 1024,
    maxMessageBytes: 16 * 1024 * 1024,
    retention: 'applied',
  })
})

it('takes a topic a table, and a time for which others may read it', () => {
  const keys = { 'public.order_lines': ['order_id'] }
  const chosen = topics({ layout: 'tables', partitions: '6', keys, replicationFactor: 3, retention: '7d' })
  expect(chosen.data?.topics).toMatchObject({ layout: 'tables', partitions: 6, keys, retention: 7 * 86_400_000 })
})

it.each([
  [{ partitions: 2 }, ['topics', 'partitions'], "needs layout 'tables'"],
  [{ keys: { 'public.a': ['b'] } }, ['topics', 'keys'], "needs layout 'tables'"],
])('refuses what one partition for all cannot have: %j', (input, path, message) => {
  expect(topics(input).error?.issues).toMatchObject([{ path, message: expect.stringContaining(message) }])
})
