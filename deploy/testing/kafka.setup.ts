import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { TestProject } from 'vitest/node'
import { startConnect } from '../native/connect.ts'
import { startKafka } from '../native/kafka.ts'
import type { KafkaStack } from './kafka.ts'
import { temporaryFolder } from './temporary-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Kafka and Kafka Connect of this run; null where Java or Maven is missing. */
    kafkaStack: KafkaStack | null
  }
}

const progress = (line: string) => console.error(line)

/**
 * Vitest's global setup: one Kafka and one Kafka Connect with Debezium for all tests of the project. Vitest calls it only
 * for a project that has files to run. Without Java or Maven the tests are skipped, loudly; in CI that is a failure.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await temporaryFolder()
  const releasers: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })]
  const release = async () => {
    for (const releaser of releasers.toReversed()) await releaser()
  }
  try {
    const kafka = await startKafka({ dir: join(dir, 'kafka'), port: 0, progress })
    releasers.push(kafka.stop)
    const { bootstrapServers } = kafka
    const connect = await startConnect({ dir: join(dir, 'connect'), port: 0, bootstrapServers, progress })
    releasers.push(connect.stop)
    project.provide('kafkaStack', { bootstrapServers, connectUrl: connect.url })
  } catch (error) {
    await release()
    if (!isMissing(error) || process.env.CI === 'true') throw error
    console.error(`\nSKIPPED: every test that needs Kafka. ${error.message}. ${error.remedy}\n`)
    project.provide('kafkaStack', null)
    return async () => {}
  }
  return release
}

function isMissing(error: unknown): error is FicusError {
  return error instanceof FicusError && error.code === 'FICUS_COMPONENT_MISSING'
}
