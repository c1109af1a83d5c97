import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs'
import { describe, expect, it, vi } from 'vitest'
import { ConnectClient } from '../change-source/debezium/connect-client.ts'
import { runConnector, stopConnector } from '../change-source/debezium/connector.ts'
import { withSession } from '../database/session.ts'

const OUTBOX = `
  CREATE TABLE outbox (
    id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL, payload jsonb NOT NULL
  )`

/** deploy/connect/outbox.json with its braces filled in. */
async function connectorConfig(databaseUrl: string, name: string): Promise<Record<string, string>> {
  const url = new URL(databaseUrl)
  const values: Record<string, string> = {
    'database host': url.hostname,
    'database port': url.port,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    'slot and publication': name,
    'outbox table': 'public.outbox',
    'outbox table as a pattern': String.raw`public\.outbox`,
  }
  const template = await readFile(new URL('../../deploy/connect/outbox.json', import.meta.url), 'utf8')
  const config: Record<string, string> = JSON.parse(template)
  const fill = (text: string) =>
    text.replaceAll(/\{([^}]+)\}/g, (_, key: string) => values[key] ?? `no value for ${key}`)
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, fill(value)]))
}

/** Kafka Connect makes the topic with the first event. */
async function topicIsThere(kafka: Kafka, topic: string, check: () => Promise<void>): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    await vi.waitFor(
      async () => {
        await check()
        expect(await admin.listTopics()).toContain(topic)
      },
      { timeout: 90_000, interval: 250 },
    )
  } finally {
    await admin.disconnect()
  }
}

async function firstMessages(kafka: Kafka, topic: string, count: number): Promise<KafkaMessage[]> {
  const consumer = kafka.consumer({ groupId: `test-${randomUUID()}`, allowAutoTopicCreation: false })
  const messages: KafkaMessage[] = []
  const enough = Promise.withResolvers<void>()
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message }) => {
        messages.push(message)
        if (messages.length === count) enough.resolve()
      },
    })
    await enough.promise
    return messages
  } finally {
    await consumer.disconnect()
  }
}

const stack = kafkaStack()

describe.skipIf(stack === null)('a service’s outbox', () => {
  it('reaches Kafka through stock Debezium: topic by aggregate type, key by aggregate, the id in a header', async () => {
    if (stack === null) throw new Error('skipped')
    await using database = await createDatabase('service')
    const endpoint = { url: database.url, name: 'the service’s database' }
    const name = `outbox_${randomBytes(4).toString('hex')}`
    const aggregate = `product_${name}`
    const connect = new ConnectClient(stack.connectUrl)
    const events = [
      { id: randomUUID(), key: 'p-1', type: 'ProductAdded', payload: { name: 'tea', price: '9.50' } },
      { id: randomUUID(), key: 'p-2', type: 'ProductAdded', payload: { name: 'cup', nested: { n: [1, 2] } } },
      { id: randomUUID(), key: 'p-1', type: 'ProductRenamed', payload: { name: 'green tea' } },
    ]
    await withSession(endpoint, client => client.query(`${OUTBOX}; CREATE PUBLICATION ${name} FOR TABLE outbox`))
    try {
      await runConnector(connect, name, await connectorConfig(database.url, name), new AbortController().signal)
      await withSession(endpoint, async client => {
        for (const { id, key, type, payload } of events) {
          // Deleted at once, as the pattern allows: the event is in the log, and the table stays empty.
          await client.query('BEGIN')
          await client.query('INSERT INTO outbox VALUES ($1, $2, $3, $4, $5)', [id, aggregate, key, type, payload])
          await client.query('DELETE FROM outbox WHERE id = $1', [id])
          await client.query('COMMIT')
        }
      })
      const topic = `outbox.event.${aggregate}`
      const kafka = new Kafka({ brokers: [stack.bootstrapServers], logLevel: logLevel.NOTHING })
      await topicIsThere(kafka, topic, async () => expect((await connect.status(name))?.failure ?? null).toBeNull())
      const messages = await firstMessages(kafka, topic, events.length)
      const received = messages.map(({ key, value, headers }) => ({
        id: String(headers?.id),
        key: String(key),
        type: String(headers?.type),
        payload: JSON.parse(String(value)),
      }))
      // In order for each key, and each once.
      const of = (key: string, list: readonly { readonly key: string }[]) => list.filter(event => event.key === key)
      for (const key of ['p-1', 'p-2']) expect(of(key, received)).toEqual(of(key, events))
    } finally {
      await stopConnector(connect, name).catch(() => {})
      await connect.delete(name)
    }
  })
})
