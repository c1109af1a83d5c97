import type { TopicsConfig } from '@ficus/core/config/schema'
import type { TableName } from '@ficus/core/sql/identifier'
import { topicOf } from './connector-name.ts'

/** A topic that a connector writes to. */
export interface PlannedTopic {
  readonly topic: string
  readonly partitions: number
}

/** Which topics a connector's records go to. */
export type Layout = TopicsConfig['layout']

/** The topics of the connector `name`. */
export function topicsOf(
  name: string,
  { layout, partitions }: Pick<TopicsConfig, 'layout' | 'partitions'>,
  tables: readonly TableName[],
): PlannedTopic[] {
  if (layout === 'single') return [{ topic: name, partitions: 1 }]
  const ofTables = new Set(tables.map(table => tableTopic(name, table)))
  return [
    { topic: transactionTopic(name), partitions: 1 },
    { topic: messageTopic(name), partitions: 1 },
    ...[...ofTables].map(topic => ({ topic, partitions })),
  ]
}

/** The topic whose one partition tells the order of commits. */
export function orderingTopic(name: string, layout: Layout): string {
  return layout === 'single' ? name : transactionTopic(name)
}

/** Where the begins and ends of transactions go, with the layout `tables`. Its one partition tells the order of commits. */
export function transactionTopic(name: string): string {
  return `${name}.transaction`
}

/** The layout that a sync began with, or null where nothing was read yet. */
export function layoutOf(name: string, offsets: Readonly<Record<string, string>> | undefined): Layout | null {
  const [partition] = Object.keys(offsets ?? {})
  if (partition === undefined) return null
  return topicOf(partition) === name ? 'single' : 'tables'
}

/** Where logical messages go, with the layout `tables`. */
function messageTopic(name: string): string {
  return `${name}.message`
}

/**
 * Debezium's own name of a table's topic (SchemaTopicNamingStrategy): what Kafka does not take becomes an underscore, so
 * that two tables may share a topic; each event tells its table.
 */
function tableTopic(name: string, { schema, table }: TableName): string {
  return `${name}.${schema}.${table}`.replaceAll(/[^A-Za-z0-9._-]/g, '_')
}

/**
 * What brings a connector's records to its topics (Kafka Connect's RegexRouter): all to the one topic; or each to its
 * own, and Debezium's heartbeats, which carry no change, to that of the transactions.
 */
export function routeSettings(name: string, layout: Layout): Record<string, string> {
  const [regex, replacement] =
    layout === 'single' ? ['.*', name] : [String.raw`__debezium-heartbeat\..*`, transactionTopic(name)]
  return {
    transforms: 'route',
    'transforms.route.type': 'org.apache.kafka.connect.transforms.RegexRouter',
    'transforms.route.regex': regex,
    'transforms.route.replacement': replacement,
  }
}
