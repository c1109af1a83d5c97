import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { KafkaTopic } from './kafka-topic.ts'

const stack = kafkaStack()

describe.skipIf(stack === null)('a topic', () => {
  const brokers = [stack?.bootstrapServers ?? '']

  async function createTopic(): Promise<KafkaTopic & AsyncDisposable> {
    const topic = new KafkaTopic(brokers, `test_${randomBytes(6).toString('hex')}`)
    await topic.create(1024 * 1024)
    return Object.assign(topic, { [Symbol.asyncDispose]: () => topic.delete() })
  }

  /** Writes the numbers from `first` on, one message each. */
  async function produce(topic: KafkaTopic, first: number, count: number): Promise<void> {
    const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    const messages = Array.from({ length: count }, (_, index) => ({ value: String(first + index) }))
    await producer.send({ topic: topic.name, messages })
    await producer.disconnect()
  }

  /** Reads until `until` was taken. */
  async function read(topic: KafkaTopic, from: bigint, until: number, pause = async () => {}): Promise<number[]> {
    const taken: number[] = []
    const enough = new AbortController()
    const take = (message: { value: Buffer | null }) => {
      taken.push(Number(message.value))
      if (taken.at(-1) === until) enough.abort()
      return pause()
    }
    await topic.read({ from, take, taken: () => {}, signal: enough.signal })
    return taken
  }

  it('is read in order from an offset that the caller keeps, as often as wanted', async () => {
    await using topic = await createTopic()
    await produce(topic, 0, 100)
    expect(await read(topic, 0n, 99)).toEqual(Array.from({ length: 100 }, (_, index) => index))
    expect(await read(topic, 97n, 99)).toEqual([97, 98, 99])
    expect(await Promise.all([read(topic, 98n, 99), read(topic, 98n, 99)])).toEqual([
      [98, 99],
      [98, 99],
    ])
  })

  it('waits for a slow taker, and brings what is written meanwhile', async () => {
    await using topic = await createTopic()
    await produce(topic, 0, 3)
    let underWay = 0
    const slow = async () => {
      underWay += 1
      expect(underWay).toBe(1)
      await sleep(20)
      underWay -= 1
    }
    const reading = read(topic, 1n, 5, slow)
    await produce(topic, 3, 3)
    expect(await reading).toEqual([1, 2, 3, 4, 5])
  })

  it('ends with what its taker throws', async () => {
    await using topic = await createTopic()
    await produce(topic, 0, 1)
    const take = () => {
      throw new Error('cannot take it')
    }
    const { signal } = new AbortController()
    await expect(topic.read({ from: 0n, take, taken: () => {}, signal })).rejects.toThrow('cannot take it')
  })

  it('forgets what lies before an offset, and says which offsets it holds', async () => {
    await using topic = await createTopic()
    await produce(topic, 0, 10)
    expect(await topic.bounds()).toEqual({ first: 0n, end: 10n })
    await topic.deleteBefore(7n)
    expect(await topic.bounds()).toEqual({ first: 7n, end: 10n })
    await topic.create(1024 * 1024)
    expect(await topic.bounds()).toEqual({ first: 7n, end: 10n })
    await topic.delete()
    expect(await topic.bounds()).toBeNull()
  })
})
