import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicsConfig } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { TableName } from '@ficus/core/sql/identifier'
import type { Position } from '../position.ts'
import { connectorFailed } from './connector.ts'
import { partitionKey, topicOf } from './connector-name.ts'
import type { KafkaTopics, PartitionBounds } from './kafka-topics.ts'
import { layoutOf, orderingTopic, topicsOf } from './topic-layout.ts'

/** How long Kafka may take to tell of topics and partitions that it has made. */
const PATIENCE_MS = 30_000
const POLL_MS = 100
/** A batch of one record, and a request with it, are this much larger than the record, bytes, at most. */
const BATCH_OVERHEAD = 1024
const REQUEST_OVERHEAD = 1024
/** What a broker takes in one request, bytes, unless `socket.request.max.bytes` says otherwise. */
const REQUEST_BYTES = 100 * 1024 * 1024

/**
 * Makes the topics of a connector, or brings them to the settings of now, and finds where to go on reading.
 * @returns the first offset to read of every partition, by its key.
 * @throws FICUS_SLOT_LOST where Kafka does not hold what the target has not read, or not in order; FICUS_CONFIG_INVALID where the sync
 *   began with another layout, or the brokers do not take events as large as wanted.
 */
export async function prepareTopics(
  kafka: KafkaTopics,
  settings: TopicsConfig,
  tables: readonly TableName[],
  from: Position,
): Promise<Map<string, bigint>> {
  assertLayout(kafka.name, settings, from)
  await assertBrokersTake(kafka, settings.maxMessageBytes)
  const stored = new Map(Object.entries(from.offsets ?? {}).map(([partition, offset]) => [partition, BigInt(offset)]))
  // A table that is not mapped any more may have events still, among those of transactions that are not applied.
  const known = new Set([...stored.keys()].map(topicOf))
  assertHolds(stored, await kafka.bounds([...known]))
  const planned = topicsOf(kafka.name, settings, tables)
  const { replicationFactor } = settings
  await kafka.ensure(planned.map(topic => ({ ...topic, config: topicConfig(settings), replicationFactor })))
  const expected = planned.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, number) => partitionKey(topic, number)),
  )
  const topics = [...new Set([...known, ...planned.map(({ topic }) => topic)])]
  const bounds = await boundsOf(kafka, topics, expected)
  assertOnePartition(orderingTopic(kafka.name, settings.layout), bounds)
  const offsets = new Map([...bounds.keys()].map(partition => [partition, stored.get(partition) ?? 0n]))
  assertHolds(offsets, bounds)
  return offsets
}

/**
 * While the topics are read: whether they are those that `prepareTopics` left.
 * @param offsets what is read, by partition.
 * @throws FICUS_CONNECTOR_FAILED where somebody changed them; `prepareTopics` sets them right, or says that it cannot.
 */
export async function assertTopicsKept(
  kafka: KafkaTopics,
  settings: TopicsConfig,
  tables: readonly TableName[],
  offsets: ReadonlyMap<string, bigint>,
): Promise<void> {
  const held = await kafka.bounds([...new Set([...offsets.keys()].map(topicOf))])
  const gone = [...offsets.keys()].find(partition => !held.has(partition))
  if (gone !== undefined) throw connectorFailed(kafka.name, `somebody has removed ${gone}`)
  const added = [...held.keys()].find(partition => !offsets.has(partition))
  if (added !== undefined) throw connectorFailed(kafka.name, `somebody has added ${added}`)
  const changed = await kafka.differing(
    topicsOf(kafka.name, settings, tables).map(({ topic }) => ({ topic, config: topicConfig(settings) })),
  )
  if (changed === null) return
  throw connectorFailed(kafka.name, `somebody has changed ${changed.setting} of topic ${changed.topic}`)
}

/** What went to other partitions has no place in the order of the first. */
function assertOnePartition(topic: string, bounds: ReadonlyMap<string, PartitionBounds>): void {
  const { length } = [...bounds.keys()].filter(partition => topicOf(partition) === topic)
  if (length === 1) return
  throw new FicusError(
    'FICUS_SLOT_LOST',
    `somebody has given topic ${topic} ${length} partitions, and only one keeps changes in order`,
    {
      remedy:
        'Kafka takes no partition away: roll the capability back to legacy and advance it again, which copies anew.',
    },
  )
}

function assertLayout(name: string, { layout }: TopicsConfig, from: Position): void {
  const begun = layoutOf(name, from.offsets)
  if (begun === null || begun === layout) return
  throw new FicusError('FICUS_CONFIG_INVALID', `cdc.topics.layout is '${layout}', and ${name} began with '${begun}'`, {
    remedy: `Set cdc.topics.layout to '${begun}' again; or roll the capability back to legacy and advance it again, which copies anew.`,
  })
}

/** A broker hangs up on whoever sends more than it takes, without a word, and Kafka Connect tries that again for ever. */
async function assertBrokersTake(kafka: KafkaTopics, maxMessageBytes: number): Promise<void> {
  const needed = maxMessageBytes + BATCH_OVERHEAD + REQUEST_OVERHEAD
  if (needed <= REQUEST_BYTES) return
  const taken = await kafka.requestBytes()
  if (taken >= needed) return
  throw new FicusError(
    'FICUS_CONFIG_INVALID',
    `cdc.topics.maxMessageBytes is ${maxMessageBytes}, and a broker takes ${taken} bytes in one request`,
    { remedy: `Set socket.request.max.bytes of all brokers to ${needed} at least, or maxMessageBytes lower.` },
  )
}

/** It keeps everything until it is told what the target has: what was not applied must not run out of time. */
function topicConfig({ segmentBytes, maxMessageBytes, retention }: TopicsConfig): Record<string, string> {
  const largestBatch = maxMessageBytes + BATCH_OVERHEAD
  return {
    'cleanup.policy': 'delete',
    'retention.ms': retention === 'applied' ? '-1' : String(retention),
    'retention.bytes': '-1',
    // A segment holds a batch whole.
    'segment.bytes': String(Math.max(segmentBytes, largestBatch)),
    'max.message.bytes': String(largestBatch),
  }
}

async function boundsOf(
  kafka: KafkaTopics,
  topics: readonly string[],
  expected: readonly string[],
): Promise<Map<string, PartitionBounds>> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const bounds = await kafka.bounds(topics)
    const missing = expected.find(partition => !bounds.has(partition))
    if (missing === undefined) return bounds
    if (performance.now() > deadline) {
      throw new FicusError(
        'FICUS_KAFKA_UNREACHABLE',
        `Kafka does not show ${missing} ${PATIENCE_MS / 1000} s after it was made`,
      )
    }
    await sleep(POLL_MS)
  }
}

function assertHolds(offsets: ReadonlyMap<string, bigint>, bounds: ReadonlyMap<string, PartitionBounds>): void {
  for (const [partition, offset] of offsets) {
    const held = bounds.get(partition)
    if (held !== undefined && held.first <= offset && offset <= held.end) continue
    const holds = held === undefined ? 'there is no such partition' : `it holds ${held.first} to ${held.end}`
    throw new FicusError('FICUS_SLOT_LOST', `${partition} was to be read from ${offset} on, but ${holds}`)
  }
}
