import { randomBytes } from 'node:crypto'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, it, vi } from 'vitest'
import { StreamEnded } from '../change-source.ts'
import { partitionKey } from './connector-name.ts'
import type { EventRecord } from './event.ts'
import { KafkaTopics } from './kafka-topics.ts'
import { ProducerRuns } from './producer-runs.ts'
import type { FlowControl } from './topic-reading.ts'

const stack = kafkaStack()
const CONFIG = { 'retention.ms': '-1', 'max.message.bytes': '1048576', 'segment.bytes': '1048576' }
const BOTH = 2

describe.skipIf(stack === null)('topics', () => {
  const brokers = [stack?.bootstrapServers ?? '']
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING })

  async function createTopics(): Promise<KafkaTopics & AsyncDisposable> {
    const topics = new KafkaTopics(brokers, `test_${randomBytes(6).toString('hex')}`)
    await topics.ensure([{ topic: topics.name, partitions: BOTH, config: CONFIG }])
    return Object.assign(topics, { [Symbol.asyncDispose]: () => topics.deleteAll() })
  }

  /** Writes the numbers from `first` on into a partition, one message each. */
  async function produce({ name }: KafkaTopics, partition: number, first: number, count: number): Promise<void> {
    const producer = kafka.producer()
    await producer.connect()
    const messages = Array.from({ length: count }, (_, index) => ({ value: String(first + index), partition }))
    await producer.send({ topic: name, messages })
    await producer.disconnect()
  }

  /** Reads until `enough` holds of what each partition brought. */
  async function read(
    topics: KafkaTopics,
    from: readonly bigint[],
    enough: (taken: readonly number[][]) => boolean,
    begin?: (flow: FlowControl, taken: readonly number[][]) => void,
  ): Promise<number[][]> {
    const taken: number[][] = from.map(() => [])
    const ending = new AbortController()
    await topics.read({
      from: new Map(from.map((offset, partition) => [partitionKey(topics.name, partition), offset])),
      fetchBytes: 1024 * 1024,
      take: (partition, messages) => {
        taken[Number(partition.at(-1))]?.push(...messages.map(({ value }) => Number(value)))
        if (enough(taken)) ending.abort()
      },
      begin: flow => begin?.(flow, taken),
      signal: ending.signal,
    })
    return taken
  }

  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

  it('are read in order from offsets that the caller keeps, by as many as want to', async () => {
    await using topics = await createTopics()
    await produce(topics, 0, 0, 100)
    await produce(topics, 1, 100, 50)
    const whole = (taken: readonly number[][]) => taken[0]?.at(-1) === 99 && taken[1]?.at(-1) === 149
    expect(await read(topics, [0n, 0n], whole)).toEqual([range(0, 99), range(100, 149)])
    const last = [[98, 99], [149]]
    expect(await Promise.all([read(topics, [98n, 49n], whole), read(topics, [98n, 49n], whole)])).toEqual([last, last])
  })

  it('wait one by one, and lose nothing by it', async () => {
    await using topics = await createTopics()
    await produce(topics, 0, 0, 10)
    const reading = read(
      topics,
      [0n, 0n],
      taken => (taken[0]?.length ?? 0) === 20 && (taken[1]?.length ?? 0) === 10,
      async (flow, taken) => {
        await vi.waitFor(() => expect(taken[0]).toHaveLength(10), { timeout: 30_000 })
        flow.pause(partitionKey(topics.name, 0))
        await produce(topics, 0, 10, 10)
        await produce(topics, 1, 100, 10)
        await vi.waitFor(() => expect(taken[1]?.length).toBe(10), { timeout: 30_000 })
        expect(taken[0]).toHaveLength(10)
        flow.resume(partitionKey(topics.name, 0))
      },
    )
    expect(await reading).toEqual([range(0, 19), range(100, 109)])
  })

  it('invariant 3: are read anew when another consumer takes a partition away', async () => {
    await using topics = await createTopics()
    await produce(topics, 0, 0, 10)
    await produce(topics, 1, 100, 10)
    const admin = kafka.admin()
    await admin.connect()
    const reading = read(topics, [0n, 0n], () => false)
    const ended = expect(reading).rejects.toThrow(StreamEnded)
    const groups = async () =>
      (await admin.listGroups()).groups.filter(({ groupId }) => groupId.startsWith(topics.name))
    await vi.waitFor(async () => expect(await groups()).toHaveLength(1), { timeout: 30_000 })
    const intruder = kafka.consumer({ groupId: (await groups())[0]?.groupId ?? '' })
    await intruder.connect()
    await intruder.subscribe({ topic: topics.name })
    await intruder.run({ eachMessage: async () => {} })
    await ended
    await Promise.all([intruder.disconnect(), admin.disconnect()])
    const whole = (taken: readonly number[][]) => taken[0]?.length === 10 && taken[1]?.length === 10
    expect(await read(topics, [0n, 0n], whole)).toEqual([range(0, 9), range(100, 109)])
  })

  it('tell how far they were read, past what Kafka keeps for itself', async () => {
    await using topics = await createTopics()
    const producer = kafka.producer({ transactionalId: topics.name, maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    for (const [value, ends] of [
      ['0', 'commit'],
      ['1', 'abort'],
    ] as const) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: topics.name, messages: [{ value, partition: 0 }] })
      await transaction[ends]()
    }
    await producer.disconnect()
    const partition = partitionKey(topics.name, 0)
    const end = (await topics.bounds([topics.name])).get(partition)?.end
    expect(end).toBe(4n)
    const ending = new AbortController()
    const passed: bigint[] = []
    const reading = topics.read({
      from: new Map([0, 1].map(number => [partitionKey(topics.name, number), 0n])),
      fetchBytes: 1024,
      take: (_, messages) => expect(messages.map(({ value }) => Number(value))).toEqual([0]),
      passed: (_, offset) => passed.push(offset),
      signal: ending.signal,
    })
    await vi.waitFor(() => expect(passed.at(-1)).toBe(end), { timeout: 30_000 })
    ending.abort()
    await reading
  })

  it('tell by who wrote a record whether that one was started anew', async () => {
    await using topics = await createTopics()
    for (const values of [['0', '1'], ['2']]) {
      const producer = kafka.producer({ transactionalId: topics.name, maxInFlightRequests: 1, idempotent: true })
      await producer.connect()
      for (const value of values) {
        const transaction = await producer.transaction()
        await transaction.send({ topic: topics.name, messages: [{ value, partition: 0 }] })
        await transaction.commit()
      }
      await producer.disconnect()
    }
    const records: EventRecord[] = []
    const ending = new AbortController()
    await topics.read({
      from: new Map([0, 1].map(number => [partitionKey(topics.name, number), 0n])),
      fetchBytes: 1024,
      take: (_, messages) => {
        records.push(...messages)
        if (records.length === 3) ending.abort()
      },
      signal: ending.signal,
    })
    const runs = new ProducerRuns()
    runs.learn('0', records)
    const [first, second, third] = records.map(({ batchContext }) => batchContext)
    expect([first, third]).toEqual([expect.anything(), expect.anything()])
    expect([runs.isAnother(first, second), runs.isAnother(second, third)]).toEqual([false, true])
  })

  it('end with what their taker throws', async () => {
    await using topics = await createTopics()
    await produce(topics, 0, 0, 1)
    const broken = () => {
      throw new Error('cannot take it')
    }
    await expect(read(topics, [0n, 0n], broken)).rejects.toThrow('cannot take it')
  })

  it('invariant 3: say so when what was to be read is gone', async () => {
    await using topics = await createTopics()
    await produce(topics, 0, 0, 10)
    await topics.deleteBefore(new Map([[partitionKey(topics.name, 0), 7n]]))
    await expect(read(topics, [3n, 0n], () => false)).rejects.toMatchObject({ code: 'FICUS_SLOT_LOST' })
  })

  it('forget what lies before an offset, and say what they hold', async () => {
    await using topics = await createTopics()
    await produce(topics, 1, 0, 10)
    await topics.deleteBefore(new Map([[partitionKey(topics.name, 1), 7n]]))
    const expected = new Map([
      [partitionKey(topics.name, 0), { first: 0n, end: 0n }],
      [partitionKey(topics.name, 1), { first: 7n, end: 10n }],
    ])
    expect(await topics.bounds([topics.name, 'missing'])).toEqual(expected)
    await topics.deleteAll()
    expect(await topics.bounds([topics.name])).toEqual(new Map())
  })

  it('say why Kafka does not make them', async () => {
    const topics = new KafkaTopics(brokers, `test_${randomBytes(6).toString('hex')}`)
    const tooMany = { topic: topics.name, partitions: 1, config: CONFIG, replicationFactor: 9 }
    await expect(topics.ensure([tooMany])).rejects.toMatchObject({
      code: 'FICUS_KAFKA_UNREACHABLE',
      message: expect.stringContaining('Replication-factor is invalid'),
    })
  })

  it('get the settings and partitions of now, and keep what they hold and what others set', async () => {
    await using topics = await createTopics()
    await produce(topics, 1, 0, 10)
    const admin = kafka.admin()
    await admin.connect()
    const [name, value] = ['compression.type', 'gzip']
    const ofOthers = Object.entries(CONFIG).map(([name, value]) => ({ name, value }))
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topics.name, configEntries: [...ofOthers, { name, value }] }],
    })
    const config = { ...CONFIG, 'max.message.bytes': '2097152' }
    await topics.ensure([
      { topic: topics.name, partitions: 3, config },
      { topic: `${topics.name}.added`, partitions: 1, config },
    ])
    // Kafka tells of a new topic a moment later.
    await vi.waitFor(
      async () => {
        const added = `${topics.name}.added`
        expect(await topics.bounds([topics.name, added])).toEqual(
          new Map([
            [partitionKey(topics.name, 0), { first: 0n, end: 0n }],
            [partitionKey(topics.name, 1), { first: 0n, end: 10n }],
            [partitionKey(topics.name, 2), { first: 0n, end: 0n }],
            [partitionKey(added, 0), { first: 0n, end: 0n }],
          ]),
        )
      },
      { timeout: 30_000 },
    )
    const described = await admin.describeConfigs({
      resources: [{ type: 2, name: topics.name }],
      includeSynonyms: false,
    })
    await admin.disconnect()
    const entries = described.resources[0]?.configEntries.map(({ configName, configValue }) => [
      configName,
      configValue,
    ])
    expect(Object.fromEntries(entries ?? []), 'what others set stays').toMatchObject({ ...config, [name]: value })
  })
})
