import { randomBytes } from 'node:crypto'
import { SECTIONS, type TopicsConfig } from '@ficus/core/config/schema'
import { expect } from 'vitest'
import { diffCapability } from '../../../diff/diff-capability.ts'
import { waitUntilCaughtUp } from '../../../lag/lag.ts'
import type { SyncInput } from '../../../mapping/define-sync.ts'
import { parseSync } from '../../../mapping/parse-sync.ts'
import type { Pipeline } from '../../../pipeline/pipeline.ts'
import type { PipelineOptions } from '../../../pipeline/pipeline-options.ts'
import {
  CAPABILITY,
  createHarness,
  reaches,
  type SyncHarness,
  type TestDatabase,
} from '../../../testing/sync-harness.ts'
import { type DebeziumOptions, DebeziumSource } from '../debezium-source.ts'

/** A sync harness whose pipelines read through Kafka; its end removes connector and topics too. */
export interface KafkaHarness extends SyncHarness {
  readonly debezium: DebeziumOptions
  /** All that were made. */
  readonly pipelines: readonly Pipeline[]
  /** Compares every mapped row of both sides. */
  expectEqual(): Promise<void>
}

/** Where Kafka and Kafka Connect are; deploy/testing/kafka.ts tells. */
export interface TestStack {
  readonly bootstrapServers: string
  readonly connectUrl: string
}

/** @param stack the stack that all tests share: every harness has a topic prefix of its own. */
export async function createKafkaHarness(
  stack: TestStack | null,
  createDatabase: (prefix: string) => Promise<TestDatabase>,
  sourceSql: string,
  targetSql: string,
  syncInput: SyncInput,
  topics: Partial<TopicsConfig> = {},
): Promise<KafkaHarness> {
  if (stack === null) throw new Error('a test without Kafka is to be skipped')
  const sync = await createHarness(createDatabase, sourceSql, targetSql, syncInput)
  const debezium: DebeziumOptions = {
    brokers: [stack.bootstrapServers],
    connectUrl: stack.connectUrl,
    topicPrefix: `test_${randomBytes(4).toString('hex')}`,
    topics: { ...SECTIONS.cdc.parse({}).topics, ...topics },
    pace: { retryMs: 200, transactionMs: 5_000, watchMs: 500, releaseMs: 1_000 },
  }
  const pipelines: Pipeline[] = []
  const pipeline = (options: Partial<PipelineOptions> = {}) => {
    const made = sync.pipeline({ engine: engineOptions => new DebeziumSource(engineOptions, debezium), ...options })
    pipelines.push(made)
    return made
  }
  return {
    ...sync,
    debezium,
    pipelines,
    pipeline,
    streaming: async options => {
      const made = pipeline(options)
      await made.start()
      await reaches(made, 'streaming', 60_000)
      return made
    },
    caughtUp: async () => {
      const { source, target } = sync
      await waitUntilCaughtUp({ source, target, capability: CAPABILITY, direction: 'forward', timeoutMs: 90_000 })
    },
    expectEqual: async () => {
      const { source, target } = sync
      const report = await diffCapability({
        source,
        target,
        capability: CAPABILITY,
        direction: 'forward',
        sync: parseSync(syncInput),
      })
      expect(report.tables.map(({ target: table, differing }) => [table, differing])).toEqual(
        report.tables.map(({ target: table }) => [table, []]),
      )
      expect(report.equal).toBe(true)
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(pipelines.map(made => made.stop()))
      // A connector would be in the way of dropping the database.
      const [begun] = await sync.onTarget('SELECT ledger FROM ficus.progress').catch(() => [])
      await pipeline(typeof begun?.ledger === 'string' ? { ledger: begun.ledger } : {}).drop()
      await sync[Symbol.asyncDispose]()
    },
  }
}
