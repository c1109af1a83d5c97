import { randomBytes } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { kafkaStack } from '../testing/kafka.ts'
import { createDatabase } from '../testing/postgres.ts'

const stack = kafkaStack()

describe.skipIf(stack === null)('Kafka Connect', () => {
  const { bootstrapServers, connectUrl } = stack ?? { bootstrapServers: '', connectUrl: '' }

  it('has Debezium in the version of the pom', async () => {
    expect(await json(`${connectUrl}/connector-plugins`)).toContainEqual({
      class: 'io.debezium.connector.postgresql.PostgresConnector',
      type: 'source',
      version: '3.7.0.Final',
    })
  })

  it('streams a row change of PostgreSQL into a topic, without its schema', async () => {
    await using database = await createDatabase('debezium')
    const name = `test_${randomBytes(4).toString('hex')}`
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    await client.query('CREATE TABLE product (id bigint PRIMARY KEY, price numeric NOT NULL)')
    await client.query('CREATE PUBLICATION moved FOR TABLE product')
    await client.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)

    const registered = await fetch(`${connectUrl}/connectors/${name}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(connector(name, database.url)),
    })
    expect(registered.status).toBe(201)
    const consumer = new Kafka({ brokers: [bootstrapServers], logLevel: logLevel.NOTHING }).consumer({ groupId: name })
    try {
      await client.query('INSERT INTO product VALUES (9007199254740993, 12.50)')
      await client.end()
      await expect
        .poll(() => json(`${connectUrl}/connectors/${name}/offsets`), { timeout: 60_000, interval: 250 })
        .toMatchObject({ offsets: [{ partition: { server: name } }] })

      await consumer.connect()
      await consumer.subscribe({ topic: `${name}.public.product`, fromBeginning: true })
      const message = await new Promise<string>(resolve => {
        consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) })
      })
      expect(message).toContain('"after":{"id":9007199254740993,"price":"12.50"}')
      expect(JSON.parse(message)).toMatchObject({ op: 'c', source: { table: 'product' } })
    } finally {
      await consumer.disconnect()
      await fetch(`${connectUrl}/connectors/${name}`, { method: 'DELETE' })
    }
  })
})

function connector(name: string, databaseUrl: string): Record<string, string> {
  const url = new URL(databaseUrl)
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': url.hostname,
    'database.port': url.port,
    'database.user': url.username,
    'database.password': url.password,
    'database.dbname': url.pathname.slice(1),
    'topic.prefix': name,
    'slot.name': name,
    'publication.name': 'moved',
    'publication.autocreate.mode': 'disabled',
    'plugin.name': 'pgoutput',
    'snapshot.mode': 'no_data',
    'decimal.handling.mode': 'string',
    'poll.interval.ms': '10',
    'exactly.once.support': 'required',
  }
}

async function json(url: string): Promise<unknown> {
  const answer = await fetch(url)
  return answer.json()
}
