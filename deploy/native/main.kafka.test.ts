import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, it } from 'vitest'
import { kafkaStack } from '../testing/kafka.ts'
import { endStack, isAlive, startStackProcess } from '../testing/stack-process.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'

// Its servers are of its own; the shared ones tell whether this machine has a Java and Maven.
it.skipIf(kafkaStack() === null)('starts Kafka and Connect, and Ctrl-C leaves no process', async () => {
  const folder = await temporaryFolder()
  const { stack, part } = await startStackProcess(['connect'], join(folder, 'stack'))
  try {
    const admin = new Kafka({ brokers: [part('kafka').url], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    expect((await admin.describeCluster()).brokers).toHaveLength(1)
    await admin.disconnect()
    const plugins: unknown = await (await fetch(`${part('connect').url}/connector-plugins`)).json()
    const postgres = { class: 'io.debezium.connector.postgresql.PostgresConnector' }
    expect(plugins).toContainEqual(expect.objectContaining(postgres))
    expect([part('kafka').pid, part('connect').pid].map(isAlive)).toEqual([true, true])
  } finally {
    expect(await endStack(stack, 'SIGINT')).toBe(0)
  }
  expect([part('kafka').pid, part('connect').pid].filter(isAlive)).toEqual([])
  await expect(fetch(part('connect').url)).rejects.toThrow()
  await rm(folder, { recursive: true })
})
