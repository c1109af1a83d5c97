import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { KafkaTopics } from './kafka-topics.ts'
import { createKafkaHarness } from './testing/kafka-harness.ts'
import { prepareTopics } from './topic-preparation.ts'

const SOURCE = 'CREATE TABLE things (id int PRIMARY KEY, note text)'
const TARGET = 'CREATE TABLE copies (id int PRIMARY KEY, note text)'
const SYNC = { tables: [{ source: 'things', target: 'copies', key: { id: 'id' }, forward: { note: 'note' } }] }
/** Larger ones take longer: `FICUS_TEXT_MB=100` is run by hand. */
const MEGABYTES = Number(process.env.FICUS_TEXT_MB ?? 10)
const MEGABYTE = 1024 * 1024

const stack = kafkaStack()

describe.skipIf(stack === null)('through Kafka', () => {
  it(`brings a text of ${MEGABYTES} MB, which JSON makes twice as long`, async () => {
    const topics = { maxMessageBytes: (2 * MEGABYTES + 1) * MEGABYTE }
    await using sync = await createKafkaHarness(stack, createDatabase, SOURCE, TARGET, SYNC, topics)
    await sync.streaming()
    await sync.onSource(`INSERT INTO things VALUES (1, repeat(E'\\n"', ${MEGABYTES * (MEGABYTE / 2)})), (2, 'after')`)
    await sync.caughtUp()
    const read = (table: string) => `SELECT id, length(note), md5(note) FROM ${table} ORDER BY id`
    expect(await sync.onTarget(read('copies'))).toEqual(await sync.onSource(read('things')))
    expect(await sync.onTarget('SELECT max(length(note)) AS longest FROM copies')).toEqual([
      { longest: MEGABYTES * MEGABYTE },
    ])
  })

  it('refuses events that are larger than what a broker takes, and says what to raise', async () => {
    await using sync = await createKafkaHarness(stack, createDatabase, SOURCE, TARGET, SYNC)
    const topics = { ...sync.debezium.topics, maxMessageBytes: 1024 * MEGABYTE }
    const kafka = new KafkaTopics(sync.debezium.brokers, sync.debezium.topicPrefix)
    await expect(prepareTopics(kafka, topics, [], { lsn: '0/0' })).rejects.toMatchObject({
      code: 'FICUS_CONFIG_INVALID',
      message: expect.stringContaining('a broker takes 536900000 bytes'),
      remedy: expect.stringContaining('socket.request.max.bytes'),
    })
  })
})
