import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Admin, Kafka } from 'kafkajs'
import { numberOf, partitionKey, topicOf } from './connector-name.ts'
import { type ReadOptions, TopicReading } from './topic-reading.ts'

/** Settings that a topic is to have, `max.message.bytes` for one. */
export interface TopicSettings {
  readonly topic: string
  readonly config: Readonly<Record<string, string>>
}

/** A topic as it is to be. */
export interface TopicSpec extends TopicSettings {
  readonly partitions: number
  /** Copies; undefined takes the broker's default. */
  readonly replicationFactor?: number | undefined
}

/** The offsets that a partition holds: from `first` on, before `end`. */
export interface PartitionBounds {
  readonly first: bigint
  readonly end: bigint
}

const CONNECTION_TIMEOUT_MS = 3_000
/** Topics among the kinds of things that have settings (Kafka protocol, ConfigResource.Type). */
const TOPIC = 2
const BROKER = 4
/** Where a setting comes from (Kafka protocol, DescribeConfigs): it was given to this topic. */
const OF_TOPIC = 1

/**
 * The topics of one connector. This and topic-reading.ts are the only modules that know kafkajs: what is read comes
 * from offsets that the caller keeps, and no consumer group decides anything.
 */
export class KafkaTopics {
  /** The connector's name, with which the names of its topics begin. */
  readonly name: string
  readonly #brokers: readonly string[]
  #kafka: Promise<Kafka> | undefined
  /** kafkajs tells only its log that it left out what a topic does not hold any more. */
  readonly #skipped = new Set<(partition: string) => void>()

  constructor(brokers: readonly string[], name: string) {
    this.name = name
    this.#brokers = brokers
  }

  /**
   * Makes topics that are missing, and gives the others the settings of now and the partitions that they lack. One
   * that has more partitions keeps them.
   */
  async ensure(specs: readonly TopicSpec[]): Promise<void> {
    await this.#admin(async admin => {
      const existing = new Set(await admin.listTopics())
      const missing = specs.filter(({ topic }) => !existing.has(topic))
      if (missing.length > 0) await admin.createTopics({ topics: missing.map(asTopicConfig), waitForLeaders: true })
      const present = specs.filter(({ topic }) => existing.has(topic))
      if (present.length === 0) return
      await addPartitions(admin, present)
      await alterConfigs(admin, present)
    })
  }

  /** A setting that one of these topics has otherwise, or null. */
  async differing(specs: readonly TopicSettings[]): Promise<{ topic: string; setting: string } | null> {
    const current = await this.#admin(admin => settingsOf(admin, specs))
    const all = specs.flatMap(spec => differingSettings(spec, current).map(setting => ({ topic: spec.topic, setting })))
    return all[0] ?? null
  }

  /** What the partitions of the topics hold, by their keys; those of a topic that is missing are left out. */
  async bounds(topics: readonly string[]): Promise<Map<string, PartitionBounds>> {
    return this.#admin(async admin => {
      const existing = new Set(await admin.listTopics())
      const bounds = new Map<string, PartitionBounds>()
      for (const topic of topics.filter(name => existing.has(name))) {
        for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
          bounds.set(partitionKey(topic, partition), { first: BigInt(low), end: BigInt(high) })
        }
      }
      return bounds
    })
  }

  /** What every broker takes in one request, bytes (`socket.request.max.bytes`). */
  async requestBytes(): Promise<number> {
    return this.#admin(async admin => {
      const { brokers } = await admin.describeCluster()
      const { resources } = await admin.describeConfigs({
        resources: brokers.map(({ nodeId }) => ({
          type: BROKER,
          name: String(nodeId),
          configNames: ['socket.request.max.bytes'],
        })),
        includeSynonyms: false,
      })
      return Math.min(...resources.map(({ configEntries }) => Number(configEntries[0]?.configValue)))
    })
  }

  /** Lets Kafka remove what lies before an offset of each partition, by its key. */
  async deleteBefore(offsets: ReadonlyMap<string, bigint>): Promise<void> {
    await this.#admin(async admin => {
      for (const [topic, ofTopic] of Map.groupBy(offsets, ([partition]) => topicOf(partition))) {
        // deleteTopicRecords does not find out who leads the partitions; this does.
        await admin.fetchTopicOffsets(topic)
        const partitions = ofTopic.map(([key, offset]) => ({ partition: numberOf(key), offset: String(offset) }))
        await admin.deleteTopicRecords({ topic, partitions })
      }
    })
  }

  /** Removes all topics of the connector and what their readers left behind. Where there is none, that is no problem. */
  async deleteAll(): Promise<void> {
    const ours = (name: string) => name === this.name || name.startsWith(`${this.name}.`)
    await this.#admin(async admin => {
      const topics = (await admin.listTopics()).filter(ours)
      if (topics.length > 0) await admin.deleteTopics({ topics })
      const { groups } = await admin.listGroups()
      const groupIds = groups.map(({ groupId }) => groupId).filter(ours)
      // The group of a reader that was killed counts as in use for a while; it goes by itself, since it holds no offset.
      if (groupIds.length > 0) await admin.deleteGroups(groupIds).catch(() => {})
    })
  }

  /**
   * Reads committed messages of the partitions in `from` until `signal` is aborted; then it resolves.
   * @throws FICUS_KAFKA_UNREACHABLE; FICUS_SLOT_LOST where Kafka has removed what was to be read; StreamEnded where
   *   somebody else was given a partition; what `take` throws.
   */
  async read(options: ReadOptions): Promise<void> {
    const reading = new TopicReading(await this.#client(), this.name, options)
    const skipped = (partition: string) => reading.fail(this.#removed(partition))
    this.#skipped.add(skipped)
    try {
      await reading.run()
    } catch (error) {
      throw this.#named(error)
    } finally {
      this.#skipped.delete(skipped)
    }
  }

  #client(): Promise<Kafka> {
    this.#kafka ??= this.#open()
    return this.#kafka
  }

  /** kafkajs takes its time to load, and is wanted where Kafka is asked: most commands do not. */
  async #open(): Promise<Kafka> {
    const { Kafka, logLevel } = await import('kafkajs')
    return new Kafka({
      brokers: [...this.#brokers],
      clientId: 'ficus-sync',
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      logLevel: logLevel.ERROR,
      logCreator:
        () =>
        ({ log: { message, topic, partition } }) => {
          if (!message.startsWith('Offset out of range, resetting')) return
          for (const told of this.#skipped) told(partitionKey(topic, partition))
        },
      retry: { retries: 3, initialRetryTime: 200, maxRetryTime: 2_000 },
    })
  }

  async #admin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = (await this.#client()).admin()
    try {
      await admin.connect()
      return await work(admin)
    } catch (error) {
      throw this.#named(error)
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }

  #removed(partition: string): FicusError {
    return new FicusError('FICUS_SLOT_LOST', `Kafka has removed changes from ${partition} that were not read yet`)
  }

  #named(error: unknown): unknown {
    if (!(error instanceof Error) || !error.name.startsWith('KafkaJS')) return error
    return new FicusError(
      'FICUS_KAFKA_UNREACHABLE',
      `Kafka at ${this.#brokers.join(', ')} does not serve ${this.name}: ${reasonOf(error)}`,
      { cause: error },
    )
  }
}

/** Of several topics that Kafka refuses, kafkajs says only that there were errors. */
function reasonOf(error: Error): string {
  const reasons = 'errors' in error && Array.isArray(error.errors) ? error.errors.map(messageOf) : []
  return [...new Set([messageOf(error), ...reasons])].join(': ')
}

function asTopicConfig({ topic, partitions, config, replicationFactor }: TopicSpec) {
  return {
    topic,
    numPartitions: partitions,
    configEntries: entriesOf(config),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
  }
}

async function addPartitions(admin: Admin, specs: readonly TopicSpec[]): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: specs.map(({ topic }) => topic) })
  const counts = new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
  const topicPartitions = specs
    .filter(({ topic, partitions }) => partitions > (counts.get(topic) ?? 0))
    .map(({ topic, partitions }) => ({ topic, count: partitions }))
  if (topicPartitions.length > 0) await admin.createPartitions({ topicPartitions })
}

/** Kafka takes all settings of a topic at once: those that somebody else gave it stay as they are. */
async function alterConfigs(admin: Admin, specs: readonly TopicSettings[]): Promise<void> {
  const current = await settingsOf(admin, specs)
  const differing = specs.filter(spec => differingSettings(spec, current).length > 0)
  if (differing.length === 0) return
  const resources = differing.map(({ topic, config }) => {
    const own = [...(current.get(topic) ?? [])]
      .filter(([, { isOwn }]) => isOwn)
      .map(([name, { value }]) => [name, value])
    return { type: TOPIC, name: topic, configEntries: entriesOf({ ...Object.fromEntries(own), ...config }) }
  })
  await admin.alterConfigs({ validateOnly: false, resources })
}

/** A topic's settings by name; those that were given to the topic itself are its own. */
type Settings = ReadonlyMap<string, { readonly value: string; readonly isOwn: boolean }>

async function settingsOf(admin: Admin, specs: readonly TopicSettings[]): Promise<ReadonlyMap<string, Settings>> {
  const { resources } = await admin.describeConfigs({
    resources: specs.map(({ topic }) => ({ type: TOPIC, name: topic })),
    includeSynonyms: false,
  })
  const settings = ({ configEntries }: (typeof resources)[number]) =>
    new Map(
      configEntries.map(({ configName, configValue, configSource }) => [
        configName,
        { value: configValue, isOwn: configSource === OF_TOPIC },
      ]),
    )
  return new Map(resources.map(resource => [resource.resourceName, settings(resource)]))
}

/** The names of settings that a topic has otherwise. */
function differingSettings({ topic, config }: TopicSettings, current: ReadonlyMap<string, Settings>): string[] {
  return Object.entries(config)
    .filter(([setting, value]) => current.get(topic)?.get(setting)?.value !== value)
    .map(([setting]) => setting)
}

function entriesOf(config: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(config).map(([name, value]) => ({ name, value }))
}
